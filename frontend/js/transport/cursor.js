/** Which events a tab has had: one cursor, however the events reach it. */

/** `<epoch>-<ms>-<n>`: the log's epoch, and a position that only grows within it. */
const WIRE = /^([0-9a-z]+)-(\d+)-(\d+)$/;

/**
 * @param {string} a
 * @param {string} b
 * @returns {number | undefined} negative when `a` is before `b`, 0 when they are the same, positive when it is after;
 *   undefined when that cannot be told, because the log has begun anew between the two.
 */
export function compareIds(a, b) {
  if (a === b) return 0;
  const [, epochA, msA, nA] = WIRE.exec(a) ?? [];
  const [, epochB, msB, nB] = WIRE.exec(b) ?? [];
  if (epochA === undefined || epochA !== epochB) return undefined;
  return Number(msA) - Number(msB) || Number(nA) - Number(nB);
}

/**
 * @typedef {object} StreamEvent
 * @property {string} id
 * @property {string} type
 * @property {any} data the JSON value that was published.
 */

/**
 * A part of the log without a gap, as one connection received it.
 * @typedef {object} Batch
 * @property {string | undefined} from everything up to here was received before; undefined: it began with `to`.
 * @property {string} to everything up to here is in the batch, as far as it concerns its topics.
 * @property {StreamEvent[]} events
 * @property {string} [reset] why the events between `from` and this batch are lost.
 */

export class Cursor {
  /** @param {string | undefined} value everything up to here was had; undefined: begin with whatever comes first. */
  constructor(value) {
    this.value = value;
  }

  /**
   * @param {Batch} batch
   * @returns {{ events: StreamEvent[], reset?: string } | undefined} what of it is new to this tab; undefined when something
   *   before it is missing. Then the cursor has not moved.
   */
  take(batch) {
    const { value } = this;
    if (value !== undefined) {
      const ahead = compareIds(value, batch.to);
      if (ahead !== undefined && ahead >= 0) return { events: [] };
      if (batch.reset === undefined) {
        const joined = batch.from === undefined ? undefined : compareIds(value, batch.from);
        if (joined === undefined || joined < 0) return undefined;
      }
    }
    this.value = batch.to;
    if (batch.reset !== undefined) return { events: batch.events, reset: batch.reset };
    const isNew = (/** @type {StreamEvent} */ { id }) =>
      value === undefined || (compareIds(id, value) ?? 1) > 0;
    return { events: batch.events.filter(isNew) };
  }

  /** Whether everything up to `id` was had. @param {string} id */
  has(id) {
    return this.value !== undefined && (compareIds(this.value, id) ?? -1) >= 0;
  }
}
