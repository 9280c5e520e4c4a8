/** Which trace id is taken over. */
import { strict as assert } from "node:assert";
import { traceIdOf } from "../../src/platform/trace.ts";

describe("a trace's id", () => {
  const id = "4bf92f3577b34da6a3ce929d0e0e4736";
  const of = (header: string | undefined): string | undefined => traceIdOf({ get: () => header as never });

  it("is taken from a traceparent that is valid", () => {
    assert.equal(of(`00-${id}-00f067aa0ba902b7-01`), id);
    assert.equal(of(`cc-${id}-00f067aa0ba902b7-01`), id, "of a later version");
    assert.equal(of(`cc-${id}-00f067aa0ba902b7-01-what-comes-then`), id);
  });

  it("is not taken from any other", () => {
    for (const bad of [
      undefined,
      "",
      id,
      `ff-${id}-00f067aa0ba902b7-01`,
      `00-${"0".repeat(32)}-00f067aa0ba902b7-01`,
      `00-${id}-${"0".repeat(16)}-01`,
      `00-${id.toUpperCase()}-00f067aa0ba902b7-01`,
      `00-${id}-00f067aa0ba902b7`,
      `00-${id}-00f067aa0ba902b7-01-more`,
      `00-${id}-00f067aa0ba902b7-01, 00-${id}-00f067aa0ba902b7-01`,
    ])
      assert.equal(of(bad), undefined, bad);
  });
});
