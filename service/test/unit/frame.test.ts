/** The text of event streams. */
import { strict as assert } from "node:assert";
import fc from "fast-check";
import { decodeBlock, encodeBlock } from "../../src/events/stream/frame.ts";
import { SpecParser } from "../support/sse.ts";

const lines = fc.array(
  fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom("\r", "\n", "\r\n", ":", " ", "data: x")),
);
const anyText = lines.map((parts) => parts.join(""));

describe("encodeBlock", () => {
  it("survives a parser of the specification, whatever the data, however it is cut", () => {
    fc.assert(
      fc.property(anyText, fc.nat(40), (data, size) => {
        const wire =
          encodeBlock({ id: "abcd-1-0", event: "thing", data }) + encodeBlock({ event: "next", data: "n" });
        const parser = new SpecParser();
        for (let at = 0; at < wire.length; at += size + 1) parser.push(wire.slice(at, at + size + 1));
        assert.deepEqual(parser.events, [
          { id: "abcd-1-0", event: "thing", data: data.replace(/\r\n|\r/g, "\n") },
          { id: "abcd-1-0", event: "next", data: "n" },
        ]);
      }),
    );
  });

  it("carries any JSON unchanged", () => {
    fc.assert(
      fc.property(fc.json(), (json) => {
        const parser = new SpecParser();
        parser.push(encodeBlock({ data: JSON.stringify(JSON.parse(json)) }));
        assert.deepEqual(JSON.parse(parser.events[0]?.data ?? ""), JSON.parse(json));
      }),
    );
  });

  it("never lets a comment become a field", () => {
    fc.assert(
      fc.property(anyText, (comment) => {
        const parser = new SpecParser();
        parser.push(encodeBlock({ comment }));
        assert.deepEqual([parser.events, parser.lastEventId], [[], ""]);
      }),
    );
  });

  it("refuses ids and types that would end their field", () => {
    for (const bad of ["a\nb", "a\rb", "a\0b"]) {
      assert.throws(() => encodeBlock({ id: bad }), TypeError);
      assert.throws(() => encodeBlock({ event: bad }), TypeError);
    }
  });

  it("writes retry as whole milliseconds", () => {
    assert.equal(encodeBlock({ retry: 1234.6 }), "retry: 1235\n\n");
  });
});

describe("decodeBlock", () => {
  it("gives back what was encoded", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.jsonValue(), (event, value) => {
        fc.pre(!/[\0\r\n]/.test(event));
        const block = { id: "abcd-1-1", event, data: JSON.stringify(value) };
        assert.deepEqual(decodeBlock(encodeBlock(block)), block);
      }),
    );
  });
});
