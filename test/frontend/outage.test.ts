/** What the page says when the connection was away. It needs no browser. */
import { strict as assert } from "node:assert";
import { Outage } from "../../frontend/js/outage.js";
import { eventually } from "../../service/test/support/wait.ts";

describe("the news of an outage", () => {
  type News = [text: string | undefined, kind: string | undefined];
  const open = (): { outage: Outage; said: News[] } => {
    const said: News[] = [];
    return { outage: new Outage((text, kind) => said.push([text, kind]), 10), said };
  };
  const announced = async (said: readonly News[], count: number): Promise<News | undefined> => {
    await eventually("the news", () => said.length >= count);
    return said.at(-1);
  };

  it("is that nothing was missed where all of it came afterwards", async () => {
    const { outage, said } = open();
    outage.begin("away");
    outage.end();
    outage.count();
    outage.count();
    assert.deepEqual(await announced(said, 2), ["Back after 0 s: 2 caught up, nothing was missed.", "good"]);
    assert.equal(outage.isOn, false);
  });

  it("is that events were lost where the service no longer had them, and it is forgotten by the next one", async () => {
    const { outage, said } = open();
    outage.begin("away");
    outage.lost();
    outage.end();
    assert.deepEqual(await announced(said, 2), ["Back after 0 s: some events were lost for good.", "warn"]);
    outage.begin("away again");
    outage.count();
    outage.end();
    assert.deepEqual(await announced(said, 4), ["Back after 0 s: 1 caught up, nothing was missed.", "good"]);
  });

  it("is corrected where the loss is known only afterwards, and is none without an outage", async () => {
    const { outage, said } = open();
    outage.lost();
    assert.deepEqual(said, []);
    outage.begin("away");
    outage.count();
    outage.end();
    assert.equal((await announced(said, 2))?.[1], "good");
    outage.lost();
    assert.deepEqual(said.at(-1), ["Back after 0 s: 1 caught up, some events were lost for good.", "warn"]);
  });
});
