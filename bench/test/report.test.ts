/** The table of a benchmark's results. */
import { strict as assert } from "node:assert";
import { renderTable } from "../report.ts";

describe("the table of a benchmark", () => {
  const promiseOf = (values: readonly number[], bound: { limit?: number; least?: number }): string =>
    (renderTable([{ what: "x", unit: "s", values, ...bound }]).at(-1) ?? "").split("|")[5]?.trim() ?? "";

  it("says which promises were missed: by one of the runs, or because there is no value", () => {
    assert.equal(promiseOf([1, 2, 3], { limit: 3 }), "≤ 3 s");
    assert.equal(promiseOf([1, 2, 4], { limit: 3 }), "≤ 3 s, **missed**");
    assert.equal(promiseOf([1, 2, 3], { least: 2 }), "≥ 2 s, **missed**");
    assert.equal(promiseOf([NaN], { limit: 3 }), "≤ 3 s, **missed**");
    assert.equal(promiseOf([NaN], { least: 3 }), "≥ 3 s, **missed**");
    assert.equal(promiseOf([NaN], {}), "");
  });
});
