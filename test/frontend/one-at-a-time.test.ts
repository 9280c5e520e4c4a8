/** A question that is asked again and again, and what changes its answer. */
import { strict as assert } from "node:assert";
import { oneAtATime } from "../../frontend/js/one-at-a-time.js";

describe("a question that is asked again and again", () => {
  let began: number;
  let ends: (() => void)[];
  let question: ReturnType<typeof oneAtATime<number>>;
  beforeEach(() => {
    began = 0;
    ends = [];
    question = oneAtATime(() => {
      const answer = ++began;
      return new Promise((resolve) => ends.push(() => resolve(answer)));
    });
  });
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  it("is under way once, and asked anew after that answer", async () => {
    const answers = [question.ask(), question.ask(), question.askAnew()];
    await settle();
    assert.equal(began, 1);
    ends.shift()?.();
    await settle();
    ends.shift()?.();
    assert.deepEqual(await Promise.all(answers), [1, 1, 2]);
  });

  it("is not under way beside what changes its answer, and goes on where that fails", async () => {
    const asked = question.ask();
    let fail = (_error: Error): void => assert.fail();
    let hasBegun = false;
    const changed = question.alone(() => {
      hasBegun = true;
      return new Promise((_resolve, reject) => (fail = reject));
    });
    await settle();
    assert.equal(hasBegun, false);
    ends.shift()?.();
    assert.equal(await asked, 1);
    await settle();
    assert.equal(hasBegun, true);
    const again = question.askAnew();
    await settle();
    assert.equal(began, 1);
    fail(new Error("away"));
    await assert.rejects(changed, /away/);
    await settle();
    ends.shift()?.();
    assert.equal(await again, 2);
  });
});
