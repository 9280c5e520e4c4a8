/**
 * The parser of event streams: cases of our own for what the web platform tests of EventSource ask (WHATWG HTML 9.2.6).
 * Each case is read whole, byte by byte, and in every two pieces: a network may cut anywhere.
 */
import { strict as assert } from "node:assert";
import { EventStreamParser, type Block } from "../../frontend/js/transport/event-stream-parser.js";

/** What an EventSource would dispatch, with its last event id and the wait that it knows of at the end. */
interface Heard {
  readonly events: readonly [type: string, data: string][];
  readonly id: string;
  readonly retry: number | undefined;
}

function heard(pieces: readonly Uint8Array[]): Heard {
  const parser = new EventStreamParser();
  const blocks: Block[] = pieces.flatMap((piece) => parser.push(piece));
  return {
    events: blocks.flatMap(({ event, data }) =>
      data === undefined ? [] : [[event, data] as [string, string]],
    ),
    id: blocks.reduce((last, { id }) => id ?? last, ""),
    retry: blocks.reduce<number | undefined>((last, { retry }) => retry ?? last, undefined),
  };
}

const CASES: [what: string, text: string, expected: Partial<Heard>][] = [
  ["one BOM at the start is no part of the stream", "\uFEFFdata: 1\n\n", { events: [["message", "1"]] }],
  [
    "a second BOM is a part of the field's name",
    "\uFEFF\uFEFFdata: 1\n\ndata: 2\n\n",
    { events: [["message", "2"]] },
  ],
  [
    "a BOM later is a part of the text",
    "data: 1\n\n\uFEFFdata: 2\n\ndata: 3\n\n",
    {
      events: [
        ["message", "1"],
        ["message", "3"],
      ],
    },
  ],
  ["LF ends a line", "data: a\n\n", { events: [["message", "a"]] }],
  ["CR ends a line", "data: a\r\r", { events: [["message", "a"]] }],
  ["CRLF ends a line", "data: a\r\n\r\n", { events: [["message", "a"]] }],
  [
    "all three in one stream",
    "data:a\r\rdata:b\n\ndata:c\r\n\r\ndata:d\n\r",
    {
      events: [
        ["message", "a"],
        ["message", "b"],
        ["message", "c"],
        ["message", "d"],
      ],
    },
  ],
  [
    "LF CR is two line ends",
    "data: a\n\rdata: b\n\n",
    {
      events: [
        ["message", "a"],
        ["message", "b"],
      ],
    },
  ],
  ["lines of data are joined by LF", "data:a\r\ndata:b\ndata:c\r\r", { events: [["message", "a\nb\nc"]] }],
  [
    "data without a colon is an empty line",
    "data\n\ndata\ndata\n\ndata:test\n\n",
    {
      events: [
        ["message", ""],
        ["message", "\n"],
        ["message", "test"],
      ],
    },
  ],
  [
    "only one space after the colon is taken away",
    "data:  a\n\ndata:\tb\n\ndata:c\n\n",
    {
      events: [
        ["message", " a"],
        ["message", "\tb"],
        ["message", "c"],
      ],
    },
  ],
  ["a colon in the value stays", "data: a:b\n\n", { events: [["message", "a:b"]] }],
  ["comments are nothing", ":data: a\ndata: b\n: c\n:\n\n", { events: [["message", "b"]] }],
  ["names are exact", "Data: a\n data: b\ndata : c\ndataset: d\n\n", { events: [] }],
  ["unknown fields are nothing", "foo: a\ndata: b\nfoo\n\n", { events: [["message", "b"]] }],
  [
    "a type is for one event only",
    "event: a\ndata: 1\n\ndata: 2\n\n",
    {
      events: [
        ["a", "1"],
        ["message", "2"],
      ],
    },
  ],
  [
    "the last type counts, an empty one is message",
    "event: a\nevent: b\ndata: 1\n\nevent: a\nevent:\ndata: 2\n\n",
    {
      events: [
        ["b", "1"],
        ["message", "2"],
      ],
    },
  ],
  ["a type without data dispatches nothing", "event: a\n\ndata: 1\n\n", { events: [["message", "1"]] }],
  [
    "an id stays for later events",
    "id: 1\ndata: a\n\ndata: b\n\n",
    {
      events: [
        ["message", "a"],
        ["message", "b"],
      ],
      id: "1",
    },
  ],
  ["an id without data counts", "id: 7\n\n", { events: [], id: "7" }],
  [
    "an empty id takes it back",
    "id: 7\ndata: a\n\nid\ndata: b\n\n",
    {
      events: [
        ["message", "a"],
        ["message", "b"],
      ],
      id: "",
    },
  ],
  ["an id with NUL is ignored", "id: 1\ndata: a\n\nid: 2\0\ndata: b\n\nid: \0\ndata: c\n\n", { id: "1" }],
  ["NUL elsewhere is text", "data: a\0b\n\n", { events: [["message", "a\0b"]] }],
  ["retry takes digits", "retry: 3000\n\n", { retry: 3000 }],
  ["retry refuses a sign", "retry: 5\n\nretry: +6\n\nretry: -7\n\n", { retry: 5 }],
  [
    "retry refuses anything else",
    "retry: 5\n\nretry: 1e3\n\nretry: 6x\n\nretry:\n\nretry: 7 \n\nretry: ٣\n\n",
    { retry: 5 },
  ],
  ["retry takes leading zeros", "retry: 0050\n\n", { retry: 50 }],
  [
    "an event that is cut short is dropped",
    "data: a\n\nid: 9\ndata: b\n",
    { events: [["message", "a"]], id: "" },
  ],
  ["characters of several bytes come whole", "data: ok ü 😀\n\n", { events: [["message", "ok ü 😀"]] }],
];

describe("the parser of event streams", () => {
  for (const [what, text, expected] of CASES) {
    it(what, () => {
      const bytes = new TextEncoder().encode(text);
      const pieces = [[bytes], [...bytes].map((byte) => Uint8Array.of(byte))];
      for (let at = 0; at <= bytes.length; at += 1) pieces.push([bytes.slice(0, at), bytes.slice(at)]);
      for (const each of pieces) {
        const result = heard(each);
        for (const [key, value] of Object.entries(expected))
          assert.deepEqual(
            result[key as keyof Heard],
            value,
            `${JSON.stringify(text)} in ${each.length} pieces`,
          );
      }
    });
  }

  it("replaces bytes that are no UTF-8, and goes on", () => {
    const bytes = Uint8Array.of(
      ...new TextEncoder().encode("data: a"),
      0xff,
      ...new TextEncoder().encode("b\n\n"),
    );
    assert.deepEqual(heard([bytes]).events, [["message", "a\uFFFDb"]]);
  });

  it("reads a megabyte in small pieces in no time", () => {
    const parser = new EventStreamParser();
    const piece = new TextEncoder().encode("x".repeat(100));
    const before = process.cpuUsage();
    parser.push(new TextEncoder().encode("data: "));
    for (let n = 0; n < 10_000; n += 1) parser.push(piece);
    const [block] = parser.push(new TextEncoder().encode("\n\n"));
    assert.equal(block?.data?.length, 1_000_000);
    // The processor's time, of which a busy machine takes no more.
    const { user } = process.cpuUsage(before);
    assert.ok(user < 2_000_000, `${user} µs`);
  });
});
