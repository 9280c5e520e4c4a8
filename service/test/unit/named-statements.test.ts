/** The name that a statement gets from its request. */
import { strict as assert } from "node:assert";
import { commentOf } from "../../src/platform/named-statements.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";

describe("the name of a statement", () => {
  it("has the request's id, and that of its trace where there is one", () => {
    assert.equal(
      commentOf({ requestId: "req-12345678", traceId: TRACE }),
      `/*request_id='req-12345678',trace_id='${TRACE}'*/ `,
    );
    assert.equal(commentOf({ requestId: "req-12345678" }), "/*request_id='req-12345678'*/ ");
  });

  it("cannot end its comment, whatever the ids are", () => {
    for (const requestId of ["12345678*/ DROP TABLE users; --", "'quoted-id'", "a/*b*/cdefgh", ""])
      assert.equal(commentOf({ requestId }), "");
    assert.equal(
      commentOf({ requestId: "req-12345678", traceId: `${TRACE}*/` }),
      "/*request_id='req-12345678'*/ ",
    );
  });
});
