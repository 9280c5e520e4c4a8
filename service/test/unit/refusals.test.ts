/** How many refusals are written down. */
import { strict as assert } from "node:assert";
import { RefusalBudget } from "../../src/auth/http/refusals.ts";

describe("the budget for refusals in the audit log", () => {
  it("is bounded for each address, says how many were left out, and begins anew each minute", () => {
    let now = 0;
    const budget = new RefusalBudget(() => now);
    const taken = Array.from({ length: 25 }, () => budget.take("a"));
    assert.deepEqual(taken, [
      ...Array.from({ length: 10 }, () => 0),
      ...Array.from({ length: 15 }, () => undefined),
    ]);
    assert.equal(budget.take("b"), 15, "another address is not meant");
    assert.equal(budget.take("b"), 0);
    now = 60_000;
    assert.equal(budget.take("a"), 0);
  });

  it("is bounded for all addresses together", () => {
    const budget = new RefusalBudget(() => 0);
    const written = Array.from({ length: 100_000 }, (_, n) => budget.take(`a${n}`)).filter(
      (one) => one !== undefined,
    );
    assert.equal(written.length, 200);
  });
});
