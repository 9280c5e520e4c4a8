/** How long to wait before a new attempt. */

const FIRST_MS = 1000;
const LONGEST_MS = 30_000;

/**
 * Full jitter: anywhere from nothing to a bound that doubles, so that pages that lost the service together do not come
 * back together.
 * @param {number} failures how many attempts in a row failed; 0 before an attempt of another kind.
 * @param {() => number} random
 * @returns {number} ms
 */
export function backoffMs(failures, random = Math.random) {
  return random() * Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(failures, 10));
}

/**
 * Waits; the signal ends it early.
 * @param {number} ms
 * @param {AbortSignal} signal
 * @returns {Promise<void>}
 */
export function pause(ms, signal) {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done, { once: true });
    function done() {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    }
  });
}
