/** Attempts at one request: a network that changes, or a replica that goes, takes one with it, and the next one is answered. */
import { ApiError } from "./api.js";
import { pause } from "./backoff.js";

const ATTEMPTS = 3;
/** The longest wait before the second attempt, in ms; before the third it is twice as long. */
const WAIT_MS = 1000;

/** A person waits: where the service wants more ms than this before the next attempt, there is none. */
const MOST_TOLD_MS = 10_000;

/** Whether the same request would be answered the same at once. @param {unknown} error */
export const isRefusal = (error) => error instanceof ApiError && error.status < 500;

/** Whether it would be answered the same later, too: not from a service that is only busy (429). @param {unknown} error */
export const isFinalRefusal = (error) =>
  error instanceof ApiError && error.status < 500 && error.status !== 429;

/** How long the service wants not to be asked, in ms; 0 where it did not say. @param {unknown} error */
export const toldMs = (error) => (error instanceof ApiError ? (error.retryAfterMs ?? 0) : 0);

/**
 * Does it again where it got no answer, or one that says to come again soon.
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
      const told = toldMs(error);
      if (isFinal(error) || count === ATTEMPTS || told > MOST_TOLD_MS) throw error;
      await pause(told + Math.random() * WAIT_MS * count, new AbortController().signal);
    }
  }
}
