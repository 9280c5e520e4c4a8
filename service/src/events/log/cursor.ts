/**
 * Where a client is in the log: `<epoch>-<ms>-<seq>` on the wire.
 *
 * The last two parts are the Redis stream id, strictly increasing within one epoch. The epoch is random and changes
 * whenever the log begins again after it was flushed or lost, because ids may then come again. All characters are safe for
 * a Last-Event-ID that browsers send across origins without a preflight (Fetch, CORS-safelisted request-header, at most 128
 * bytes).
 */
export interface Position {
  readonly epoch: string;
  /** `<ms>-<seq>` */
  readonly id: string;
}

/** Before the first entry of an epoch. */
export const BEGINNING = "0-0";

/** 15 digits are exact in a double, and Redis takes them. No leading zeros, so that equal ids are equal texts. */
const wire = /^([0-9a-z]{4,32})-((?:0|[1-9]\d{0,14})-(?:0|[1-9]\d{0,14}))$/;

export function formatPosition(position: Position): string {
  return `${position.epoch}-${position.id}`;
}

/** Undefined for a text that this service cannot have sent. The caller answers that with a reset, never with an error. */
export function parsePosition(text: string): Position | undefined {
  const match = wire.exec(text);
  return match?.[1] && match[2] ? { epoch: match[1], id: match[2] } : undefined;
}

function compareDigits(a: string, b: string): number {
  if (a.length !== b.length) return a.length - b.length;
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Negative when `a` is before `b`, 0 when they are the same, positive when it is after. Both are `<ms>-<seq>`. */
export function compareIds(a: string, b: string): number {
  const cutA = a.indexOf("-");
  const cutB = b.indexOf("-");
  return (
    compareDigits(a.slice(0, cutA), b.slice(0, cutB)) || compareDigits(a.slice(cutA + 1), b.slice(cutB + 1))
  );
}
