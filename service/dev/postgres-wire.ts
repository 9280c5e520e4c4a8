/** The part of PostgreSQL's wire protocol that the server needs (PostgreSQL documentation, "Message Formats"). */

const SSL_REQUEST = 80877103;
const GSS_REQUEST = 80877104;
const CANCEL_REQUEST = 80877102;

/** The longest message that is accepted, in bytes: a longer one is not PostgreSQL's protocol. */
const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;

export type Unit =
  /** "May this be encrypted?" */
  | { readonly kind: "encryption" }
  | { readonly kind: "cancel" }
  | { readonly kind: "terminate" }
  /** Messages that belong together, up to the one that is answered with ReadyForQuery (or Flush). */
  | { readonly kind: "work"; readonly bytes: Uint8Array };

/** Cuts what a connection sends into units. */
export class UnitReader {
  #rest: Buffer = Buffer.alloc(0);
  #collected: Buffer[] = [];
  #hasStarted = false;

  /** @throws RangeError for what is not the protocol. */
  *push(chunk: Buffer): Generator<Unit> {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    for (;;) {
      const message = this.#next();
      if (!message) return;
      const unit = this.#hasStarted ? this.#typed(message) : this.#first(message);
      if (unit) yield unit;
    }
  }

  /** The first messages of a connection have no type byte. */
  #next(): Buffer | undefined {
    const at = this.#hasStarted ? 1 : 0;
    if (this.#rest.length < at + 4) return undefined;
    const length = this.#rest.readInt32BE(at) + at;
    if (length < at + 4 || length > MAX_MESSAGE_BYTES) throw new RangeError("not PostgreSQL's protocol");
    if (this.#rest.length < length) return undefined;
    const message = this.#rest.subarray(0, length);
    this.#rest = this.#rest.subarray(length);
    return message;
  }

  #first(message: Buffer): Unit {
    const code = message.length >= 8 ? message.readInt32BE(4) : 0;
    if (code === SSL_REQUEST || code === GSS_REQUEST) return { kind: "encryption" };
    if (code === CANCEL_REQUEST) return { kind: "cancel" };
    this.#hasStarted = true;
    return { kind: "work", bytes: new Uint8Array(message) };
  }

  #typed(message: Buffer): Unit | undefined {
    const type = String.fromCharCode(message[0] ?? 0);
    if (type === "X") return { kind: "terminate" };
    this.#collected.push(message);
    // Query, Sync, FunctionCall and Flush want an answer; so do the parts of a COPY.
    if (!"QSFHdcf".includes(type)) return undefined;
    const bytes = new Uint8Array(Buffer.concat(this.#collected));
    this.#collected = [];
    return { kind: "work", bytes };
  }
}

/** Whether a transaction is open after an answer: the status of its last ReadyForQuery; undefined when it has none. */
export function transactionAfter(answer: Uint8Array): boolean | undefined {
  let status: number | undefined;
  const view = new DataView(answer.buffer, answer.byteOffset, answer.byteLength);
  for (let at = 0; at + 5 <= answer.length; at += 1 + view.getInt32(at + 1)) {
    if (answer[at] === 0x5a) status = answer[at + 5];
  }
  return status === undefined ? undefined : status !== 0x49;
}
