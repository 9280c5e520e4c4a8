/** Reads an event stream (WHATWG HTML 9.2.6) from bytes that arrive in pieces. */

/**
 * @typedef {object} Block
 * @property {string | undefined} id the new cursor; undefined: the cursor stays.
 * @property {string} event the event's type; "message" where the stream names none.
 * @property {string | undefined} data undefined: nothing to dispatch.
 * @property {number | undefined} retry the wait before the next connection, in ms.
 */

const CR = "\r";
const LF = "\n";

/**
 * EventSource is of no use here: it cannot send a bearer token, cannot listen for types that it does not know beforehand,
 * and gives up for ever on any answer but 200.
 */
export class EventStreamParser {
  // It reads characters that are cut between two pieces. The BOM is left to us: not every decoder takes away just one.
  #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  #isAtStart = true;
  /** What came after the last line end. In parts, because a long line may come in many pieces. */
  /** @type {string[]} */
  #parts = [];
  #isAfterCr = false;
  /** @type {Block} */
  #block = emptyBlock();

  /**
   * @param {Uint8Array} bytes
   * @returns {Block[]} the blocks that are complete now. A block that is cut short is never returned.
   */
  push(bytes) {
    const text = this.#withoutBom(this.#decoder.decode(bytes, { stream: true }));
    /** @type {Block[]} */
    const blocks = [];
    let start = 0;
    for (let at = 0; at < text.length; at += 1) {
      const character = text[at];
      if (character !== CR && character !== LF) continue;
      // The LF of a CRLF, whose CR has ended the line already, maybe at the end of the piece before.
      const isSecondHalf = character === LF && at === start && this.#isAfterCr && this.#parts.length === 0;
      if (!isSecondHalf) this.#line(this.#parts.join("") + text.slice(start, at), blocks);
      this.#parts = [];
      this.#isAfterCr = character === CR;
      start = at + 1;
    }
    if (start < text.length) {
      this.#parts.push(text.slice(start));
      this.#isAfterCr = false;
    }
    return blocks;
  }

  /** @param {string} text */
  #withoutBom(text) {
    if (!this.#isAtStart || text === "") return text;
    this.#isAtStart = false;
    return text.startsWith("\uFEFF") ? text.slice(1) : text;
  }

  /**
   * @param {string} line
   * @param {Block[]} blocks
   */
  #line(line, blocks) {
    if (line !== "") return this.#field(line);
    const { id, data, retry } = this.#block;
    if (id !== undefined || data !== undefined || retry !== undefined) blocks.push(this.#block);
    this.#block = emptyBlock();
  }

  /** @param {string} line */
  #field(line) {
    const colon = line.indexOf(":");
    const name = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? "" : line.slice(colon + 1).replace(/^ /, "");
    const block = this.#block;
    if (name === "data") block.data = block.data === undefined ? value : `${block.data}\n${value}`;
    else if (name === "event") block.event = value || "message";
    else if (name === "id" && !value.includes("\0")) block.id = value;
    else if (name === "retry" && /^[0-9]+$/.test(value)) block.retry = Number(value);
  }
}

/** @returns {Block} */
function emptyBlock() {
  return { id: undefined, event: "message", data: undefined, retry: undefined };
}
