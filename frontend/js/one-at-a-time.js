/**
 * A question that is asked again and again, and takes longer than that at times: never twice at once.
 * @template T
 * @param {() => Promise<T>} question
 */
export function oneAtATime(question) {
  /** @type {Promise<T> | undefined} */
  let flight;
  const ask = () => (flight ??= question().finally(() => (flight = undefined)));
  return {
    /** Asks, or waits with whoever has asked before for the same answer. */
    ask,
    /** Asks after that answer: what has changed since may not be in it. */
    askAnew: () => (flight ? flight.then(ask, ask) : ask()),
  };
}
