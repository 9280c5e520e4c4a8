/** Which of the connection's changes the timeline gets: what began, what got worse, and what is well again. */
import { span } from "../dom.js";

/** @typedef {import("../transport/connection-manager.js").StateChange} StateChange */
/** @typedef {{ kind: "good" | "warn" | "bad", text: string, isLoss: boolean }} Note isLoss: an outage begins. */

/** How bad a state is. In an outage the state changes with every attempt; only what is worse than before is news. */
const BADNESS = { live: 0, degraded: 0, connecting: 1, offline: 2, stopped: 3 };

export class ConnectionNotes {
  #worst = 0;
  /** @type {number | undefined} */
  #lostAt;
  /** @type {StateChange["state"] | undefined} */
  #way;
  #isAnew = false;
  #streams;

  /** @param {boolean} [streams] false: the page only polls, so that is no flaw. */
  constructor(streams = true) {
    this.#streams = streams;
  }

  /**
   * @param {StateChange} change
   * @param {number} now in ms.
   * @returns {Note | undefined} undefined: that is known already.
   */
  take({ state, reason, failures = 0 }, now = Date.now()) {
    if (BADNESS[state] === 0) return this.#connected(state, now);
    this.#isAnew = true;
    // Before its first failure, an attempt is no loss: a deploy ends each stream, and it is opened anew.
    if (BADNESS[state] <= this.#worst || (state === "connecting" && failures === 0)) return undefined;
    const isLoss = this.#lostAt === undefined;
    this.#worst = BADNESS[state];
    this.#lostAt ??= now;
    return { kind: "bad", text: lost(state, reason), isLoss };
  }

  /**
   * @param {StateChange["state"]} way
   * @param {number} now
   * @returns {Note | undefined}
   */
  #connected(way, now) {
    if (way === this.#way && !this.#isAnew) return undefined;
    const again = way === this.#way ? " again" : "";
    const away = this.#lostAt === undefined ? again : `, after ${span((now - this.#lostAt) / 1000)}`;
    this.#isAnew = false;
    this.#way = way;
    this.#worst = 0;
    this.#lostAt = undefined;
    if (way === "live") return { kind: "good", text: `Connected: events stream${away}.`, isLoss: false };
    return this.#streams
      ? { kind: "warn", text: `Connected: streams do not get through, it polls${away}.`, isLoss: false }
      : { kind: "good", text: `Connected: it polls${away}.`, isLoss: false };
  }
}

/**
 * @param {StateChange["state"]} state
 * @param {string | undefined} reason
 */
function lost(state, reason) {
  if (state === "stopped") return "The connection is stopped.";
  return state === "offline"
    ? `No connection: ${reason ?? "nothing answers"}. It goes on trying.`
    : `Connection lost: ${reason ?? "it ended"}.`;
}
