/**
 * A question that is asked again and again, and takes longer than that at times: never twice at once.
 * @template T
 * @param {() => Promise<T>} question
 */
export function oneAtATime(question) {
  /** @type {Promise<T> | undefined} */
  let flight;
  /** What is under way, or waits for its turn. @type {Promise<unknown> | undefined} */
  let last;
  /** @template W @param {() => Promise<W>} work @returns {Promise<W>} */
  const alone = (work) => {
    const done = last ? last.then(work, work) : work();
    last = done;
    const end = () => last === done && (last = undefined);
    void done.then(end, end);
    return done;
  };
  const ask = () => (flight ??= alone(question).finally(() => (flight = undefined)));
  return {
    /** Asks, or waits with whoever has asked before for the same answer. */
    ask,
    /** Asks after that answer: what has changed since may not be in it. */
    askAnew: () => (flight ? flight.then(ask, ask) : ask()),
    /** Does what changes the answer, and nothing beside it: no question is under way meanwhile. */
    alone,
  };
}
