/** Reads an event stream (WHATWG HTML 9.2.6) from text that arrives in pieces. */

/**
 * @typedef {object} Block
 * @property {string | undefined} id the new cursor; undefined: the cursor stays.
 * @property {string} event
 * @property {string | undefined} data undefined: nothing to dispatch.
 * @property {number | undefined} retry ms
 */

/**
 * EventSource is of no use here: it cannot send a bearer token, cannot listen for types that it does not know beforehand,
 * and gives up for ever on any answer but 200.
 */
export class BlockReader {
  #rest = "";
  /** @type {Block} */
  #block = emptyBlock();

  /**
   * @param {string} text
   * @returns {Block[]} the blocks that are complete now. A block that is cut short is never returned.
   */
  push(text) {
    this.#rest += text;
    const blocks = [];
    for (;;) {
      const end = /\r\n|\r(?!$)|\n/.exec(this.#rest);
      if (!end) return blocks;
      const line = this.#rest.slice(0, end.index);
      this.#rest = this.#rest.slice(end.index + end[0].length);
      if (line !== "") this.#field(line);
      else {
        blocks.push(this.#block);
        this.#block = emptyBlock();
      }
    }
  }

  /** @param {string} line */
  #field(line) {
    const colon = line.indexOf(":");
    const name = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? "" : line.slice(colon + 1).replace(/^ /, "");
    const block = this.#block;
    if (name === "data") block.data = block.data === undefined ? value : `${block.data}\n${value}`;
    else if (name === "event") block.event = value;
    else if (name === "id" && !value.includes("\0")) block.id = value;
    else if (name === "retry" && /^\d+$/.test(value)) block.retry = Number(value);
  }
}

/** @returns {Block} */
function emptyBlock() {
  return { id: undefined, event: "message", data: undefined, retry: undefined };
}
