/** Events that are ready to be written. */
import { formatPosition } from "../log/cursor.ts";
import type { LogEntry } from "../log/log.ts";
import { encodeBlock } from "./frame.ts";
import type { TopicFilter } from "./topics.ts";

/** An event that is ready to be written: serialised once, and shared by all clients. */
export interface Delivery {
  readonly id: string;
  readonly topic: string;
  readonly frame: Frame;
}

/** A batch ends when it has this many bytes: what one client is given at once. One event always fits. */
export const BATCH_BYTES = 65_536;

/**
 * What one client is given at once of the events in memory has no more pieces than this. Each costs a few hundred bytes
 * until the client has taken it, which for small events with others between them is more than their bytes. What is fanned
 * out at once is one read of the log, which has hardly more.
 */
const BATCH_PIECES = 64;

const CRLF = "\r\n";

/**
 * One event's block within the bytes of its batch, where it stands as a chunk of a chunked body (RFC 9112 7.1). Both what
 * a chunked body and what a plain one gets are parts of the same bytes, so neither is ever copied.
 */
export class Frame {
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
  readonly #head: number;

  /** @param head how long the chunk's head is. */
  constructor(bytes: Buffer, start: number, end: number, head: number) {
    this.bytes = bytes;
    this.start = start;
    this.end = end;
    this.#head = head;
  }

  /** Of the block alone. */
  get length(): number {
    return this.end - this.start - this.#head - CRLF.length;
  }

  /** Whether it stands right behind the other one. */
  follows(other: Frame): boolean {
    return this.bytes === other.bytes && this.start === other.end;
  }

  get plain(): Buffer {
    return this.bytes.subarray(this.start + this.#head, this.end - CRLF.length);
  }
}

/** Events that go out together, as few pieces of the bytes that they share with all other clients. */
export class Parts {
  readonly #frames: readonly Frame[];
  #plain: readonly Buffer[] | undefined;
  #chunked: readonly Buffer[] | undefined;

  constructor(deliveries: readonly Delivery[]) {
    this.#frames = deliveries.map(({ frame }) => frame);
  }

  get plain(): readonly Buffer[] {
    return (this.#plain ??= this.#frames.map(({ plain }) => plain));
  }

  /** Events that stand side by side are one piece. */
  get chunked(): readonly Buffer[] {
    if (this.#chunked) return this.#chunked;
    const pieces: Buffer[] = [];
    const [first] = this.#frames;
    if (!first) return pieces;
    let [begin, last] = [first, first];
    for (const frame of this.#frames.slice(1)) {
      if (!frame.follows(last)) {
        pieces.push(begin.bytes.subarray(begin.start, last.end));
        begin = frame;
      }
      last = frame;
    }
    pieces.push(begin.bytes.subarray(begin.start, last.end));
    return (this.#chunked = pieces);
  }
}

/** Who gets events: which ones, and whether as chunks of a chunked body. */
export interface Recipient {
  readonly filter: TopicFilter;
  readonly isChunked: boolean;
}

/** What is to be sent at once, and up to which id that is everything; undefined when there was nothing to look at. */
export interface Portion {
  readonly wanted: readonly Delivery[];
  readonly through: string | undefined;
}

/** Of these events what one client is given at once, which is bounded in pieces, too. */
export function portionFor({ filter, isChunked }: Recipient, deliveries: readonly Delivery[]): Portion {
  const wanted: Delivery[] = [];
  let pieces = 0;
  let through: string | undefined;
  for (const delivery of deliveries) {
    if (filter.matches(delivery.topic)) {
      const before = wanted.at(-1)?.frame;
      const isOnePiece = isChunked && before !== undefined && delivery.frame.follows(before);
      if (!isOnePiece && ++pieces > BATCH_PIECES) break;
      wanted.push(delivery);
    }
    through = delivery.id;
  }
  return { wanted, through };
}

/**
 * Hands out parts of large pieces of memory, one after the other. A piece goes back to the system when nothing of it is used
 * any longer; of thousands of short ones, glibc keeps the gaps between them.
 */
export class Slabs {
  #bytes: Buffer = Buffer.alloc(0);
  #used = 0;

  take(length: number): { readonly bytes: Buffer; readonly start: number } {
    if (this.#used + length > this.#bytes.length) {
      this.#bytes = Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, length));
      this.#used = 0;
    }
    const start = this.#used;
    this.#used += length;
    return { bytes: this.#bytes, start };
  }
}

/** Beyond what glibc takes from the system for one allocation alone (mallopt(3), M_MMAP_THRESHOLD). */
const SLAB_BYTES = 262_144;

/**
 * The entries as batches, in order; a batch has one entry, or no more than its bytes.
 * @param slabs where the bytes stand; left out, each batch has bytes of its own.
 */
export function toBatches(entries: readonly LogEntry[], slabs?: Slabs): Delivery[][] {
  const batches: Delivery[][] = [];
  let blocks: Block[] = [];
  let bytes = 0;
  for (const entry of entries) {
    const text = encodeBlock({ id: formatPosition(entry), event: entry.type, data: entry.data });
    const length = Buffer.byteLength(text);
    const head = length.toString(16) + CRLF;
    const size = head.length + length + CRLF.length;
    if (blocks.length > 0 && bytes + size > BATCH_BYTES) {
      batches.push(encoded(blocks, bytes, slabs));
      [blocks, bytes] = [[], 0];
    }
    blocks.push({ entry, text, head, size });
    bytes += size;
  }
  if (blocks.length > 0) batches.push(encoded(blocks, bytes, slabs));
  return batches;
}

/** The same where it does not matter what goes out together. */
export const toDeliveries = (entries: readonly LogEntry[], slabs?: Slabs): Delivery[] =>
  toBatches(entries, slabs).flat();

interface Block {
  readonly entry: LogEntry;
  readonly text: string;
  readonly head: string;
  readonly size: number;
}

function encoded(blocks: readonly Block[], total: number, slabs?: Slabs): Delivery[] {
  const { bytes, start: first } = slabs?.take(total) ?? { bytes: Buffer.allocUnsafe(total), start: 0 };
  let at = first;
  return blocks.map(({ entry: { id, topic }, text, head, size }) => {
    const start = at;
    at += size;
    bytes.write(head + text + CRLF, start, size);
    return { id, topic, frame: new Frame(bytes, start, at, head.length) };
  });
}
