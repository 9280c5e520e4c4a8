/** How far this device's clock is from the service's, by the answers that name the time. */

export class Clock {
  /** The time of the best answer so far, in ms. */
  #bestMs = Infinity;
  /** How far this device's clock is ahead of the service's, in ms; undefined before the first answer. */
  /** @type {number | undefined} */
  skewMs;

  /**
   * @param {number} ms from the request to its answer.
   * @param {number} serverTime the service's clock in that answer, ms since the epoch; NaN: it did not say.
   */
  answered(ms, serverTime) {
    if (!Number.isFinite(serverTime)) return;
    const skew = Date.now() - ms / 2 - serverTime;
    // The best answer is the one that took least: half of its way is the smallest error. A clock that was set shows at once.
    const isBest = ms <= this.#bestMs;
    this.#bestMs = Math.min(this.#bestMs, ms);
    if (this.skewMs === undefined || isBest || Math.abs(skew - this.skewMs) > ms) this.skewMs = skew;
  }

  /**
   * @param {string} eventId `<epoch>-<ms>-<n>`: the time is the log's.
   * @returns {number | undefined} how long the event was under way until now, in ms by the service's clock.
   */
  delayOf(eventId) {
    const time = Number(eventId.split("-")[1]);
    return Number.isFinite(time) ? Math.max(0, Date.now() - time - (this.skewMs ?? 0)) : undefined;
  }
}
