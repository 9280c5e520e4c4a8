/** Attempts at one request: a network that changes, or a replica that goes, takes one with it, and the next one is answered. */
import { ApiError } from "./api.js";
import { pause } from "./backoff.js";

const ATTEMPTS = 3;
/** The longest wait before the second attempt, in ms; before the third it is twice as long. */
const WAIT_MS = 1000;

/** Whether the same request would be answered the same. @param {unknown} error */
export const isRefusal = (error) => error instanceof ApiError && error.status < 500;

/**
 * Does it again where it got no answer, or one that says to come again.
 * @template T
 * @param {() => Promise<T>} attempt
 * @param {(error: unknown) => boolean} isFinal which errors no other attempt would mend.
 * @returns {Promise<T>}
 * @throws what the last attempt ended with.
 */
export async function insist(attempt, isFinal = isRefusal) {
  for (let count = 1; ; count += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (isFinal(error) || count === ATTEMPTS) throw error;
      const told = error instanceof ApiError ? (error.retryAfterMs ?? 0) : 0;
      await pause(told + Math.random() * WAIT_MS * count, new AbortController().signal);
    }
  }
}
