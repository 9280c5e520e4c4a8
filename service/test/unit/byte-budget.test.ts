/** The budget of bytes. */
import { strict as assert } from "node:assert";
import fc from "fast-check";
import { ByteBudget, type GiveBack, type Hold } from "../../src/platform/byte-budget.ts";

describe("ByteBudget", () => {
  it("gives no holder more than its share, and all together no more than there is", () => {
    const budget = new ByteBudget({ total: 100, perHolder: 60 });
    assert.equal(typeof budget.take("a", 60), "function");
    assert.equal(budget.take("a", 1), "holder");
    assert.equal(budget.take("b", 41), "all");
    assert.equal(typeof budget.take("b", 40), "function");
    assert.equal(budget.used, 100);
  });

  it("takes back once, however often it is given back", () => {
    const budget = new ByteBudget({ total: 100, perHolder: 60 });
    const give = budget.take("a", 50) as GiveBack;
    budget.take("a", 10);
    give();
    give();
    assert.equal(budget.used, 10);
    assert.equal(budget.take("a", 51), "holder");
    assert.equal(typeof budget.take("a", 50), "function");
  });

  it("lets a hold become more or less, and keeps it as it was where there is no more", () => {
    const budget = new ByteBudget({ total: 100, perHolder: 60 });
    const hold = budget.hold("a", 50) as Hold;
    assert.equal(hold.resize(10), undefined);
    assert.equal(budget.used, 10);
    budget.take("a", 40);
    assert.equal(hold.resize(21), "holder");
    budget.take("b", 50);
    assert.equal(hold.resize(11), "all");
    assert.equal(budget.used, 100);
    assert.equal(hold.resize(0), undefined);
    assert.equal(budget.used, 90);
  });

  it("never exceeds either limit and ends where it began, in whatever order", () => {
    const step = fc.record({ holder: fc.constantFrom("a", "b", "c"), bytes: fc.nat(50), gives: fc.nat(3) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const budget = new ByteBudget({ total: 100, perHolder: 60 });
        const held: { holder: string; bytes: number; give: GiveBack }[] = [];
        const sum = (holder?: string): number =>
          held
            .filter((each) => holder === undefined || each.holder === holder)
            .reduce((all, { bytes }) => all + bytes, 0);
        for (const { holder, bytes, gives } of steps) {
          const taken = budget.take(holder, bytes);
          if (typeof taken === "function") held.push({ holder, bytes, give: taken });
          else if (taken === "holder") assert.ok(sum(holder) + bytes > 60);
          else assert.ok(sum() + bytes > 100);
          assert.equal(budget.used, sum());
          assert.ok(sum() <= 100 && sum(holder) <= 60);
          for (const { give } of held.splice(0, gives)) give();
        }
        for (const { give } of held.splice(0)) give();
        assert.equal(budget.used, 0);
        assert.equal(typeof budget.take("a", 60), "function");
      }),
    );
  });
});
