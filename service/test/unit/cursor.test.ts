/** Cursors: their text, their order, and what can still be served. */
import { strict as assert } from "node:assert";
import fc from "fast-check";
import { compareIds, formatPosition, parsePosition } from "../../src/events/log/cursor.ts";
import { lossOf } from "../../src/events/stream/join.ts";

/** What looks like a position, with numbers up to what is too long. */
const nearlyPosition = fc.stringMatching(/^[0-9a-z]{3,6}-[0-9]{1,16}-[0-9]{1,16}$/);
const number = fc.nat({ max: 999_999_999_999_999 });

describe("cursor", () => {
  it("reads back what it writes, with characters that need no preflight", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[0-9a-z]{4,32}$/), number, number, (epoch, ms, seq) => {
        const text = formatPosition({ epoch, id: `${ms}-${seq}` });
        assert.match(text, /^[0-9A-Za-z._-]{1,128}$/);
        assert.deepEqual(parsePosition(text), { epoch, id: `${ms}-${seq}` });
      }),
    );
  });

  it("never throws, and takes nothing that Redis would refuse", () => {
    let taken = 0;
    fc.assert(
      fc.property(fc.oneof(fc.string(), nearlyPosition), (text) => {
        const position = parsePosition(text);
        if (!position) return;
        taken++;
        assert.match(position.id, /^\d{1,15}-\d{1,15}$/);
        assert.equal(formatPosition(position), text, "one text for each position");
      }),
    );
    assert.ok(taken > 0, "some of them are positions");
    for (const bad of [
      "",
      "x",
      "abcd",
      "abcd-1",
      "abcd-01-0",
      "abcd-1-0 ",
      "ABCD-1-0",
      "abcd-1-0-0",
      "abcd-9999999999999999-0",
    ]) {
      assert.equal(parsePosition(bad), undefined, bad);
    }
  });

  it("orders ids as numbers", () => {
    fc.assert(
      fc.property(number, number, number, number, (a, b, c, d) => {
        assert.equal(Math.sign(compareIds(`${a}-${b}`, `${c}-${d}`)), Math.sign(a - c || b - d));
      }),
    );
  });

  it("knows what can be served completely", () => {
    const state = { epoch: "aaaa", first: "10-0", last: "20-0", count: 11, length: 6, bytes: 600 };
    assert.equal(lossOf("bbbb", "15-0", state), "epoch");
    assert.equal(lossOf("aaaa", "20-1", state), "unknown");
    assert.equal(lossOf("aaaa", "9-9", state), "trimmed");
    assert.equal(lossOf("aaaa", "0-0", state), "trimmed");
    assert.equal(lossOf("aaaa", "0-0", { ...state, count: 6 }), undefined);
    assert.equal(lossOf("aaaa", "10-0", state), undefined);
    assert.equal(lossOf("aaaa", "20-0", { ...state, first: undefined, length: 0 }), undefined);
    assert.equal(lossOf("aaaa", "19-0", { ...state, first: undefined, length: 0 }), "trimmed");
  });
});
