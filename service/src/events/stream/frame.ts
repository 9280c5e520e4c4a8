/**
 * Blocks of an event stream (WHATWG HTML 9.2.5). Each ends with the blank line that dispatches it, and goes out in one
 * write. A client discards a block that a lost connection cuts short.
 */
export interface Block {
  /** Sets the client's last event id. */
  readonly id?: string;
  /** Event type; "message" when absent. */
  readonly event?: string;
  /** Any text. Every line end in it reaches the client as LF. */
  readonly data?: string;
  /** The reconnection time, in ms. */
  readonly retry?: number;
  readonly comment?: string;
}

/** CR, LF and CRLF all end a line for the parser. */
const lineEnd = /\r\n|\r|\n/;
const unsafeInField = /[\0\r\n]/;

/** @throws TypeError for an id or event type with NUL, CR or LF, which would end the field or make the id invalid. */
export function encodeBlock(block: Block): string {
  let text = "";
  if (block.comment !== undefined) for (const line of block.comment.split(lineEnd)) text += `: ${line}\n`;
  if (block.retry !== undefined) text += `retry: ${Math.max(0, Math.round(block.retry))}\n`;
  if (block.id !== undefined) text += `id: ${checked("id", block.id)}\n`;
  if (block.event !== undefined) text += `event: ${checked("event", block.event)}\n`;
  if (block.data !== undefined) for (const line of block.data.split(lineEnd)) text += `data: ${line}\n`;
  return `${text}\n`;
}

/** Reads what `encodeBlock` wrote for an id, an event type and data. */
export function decodeBlock(text: string): Pick<Block, "id" | "event" | "data"> {
  const data: string[] = [];
  const fields: Record<string, string> = {};
  for (const line of text.split("\n")) {
    const colon = line.indexOf(": ");
    if (colon <= 0) continue;
    const field = line.slice(0, colon);
    if (field === "data") data.push(line.slice(colon + 2));
    else fields[field] = line.slice(colon + 2);
  }
  return { id: fields.id, event: fields.event, data: data.join("\n") };
}

function checked(field: string, value: string): string {
  if (unsafeInField.test(value)) throw new TypeError(`the ${field} of an event must not hold NUL, CR or LF`);
  return value;
}
