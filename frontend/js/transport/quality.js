/** How good the connection is: measured by this page, as a score with its reasons. Bounded, however long the page is open. */
import { Clock } from "./clock.js";

const MOST_TRIPS = 60;
const MOST_DELAYS = 200;
const MOST_HISTORY = 720;
/** How long a first connection may take, in ms. */
const FIRST_MS = 5000;
/** Reconnects count for so long, in ms. */
const RECENT_MS = 10 * 60_000;

/**
 * @typedef {object} Sample
 * @property {number} at ms since the epoch.
 * @property {number} score 0 to 100.
 * @property {number | null} rttMs null: no answer.
 * @property {number | null} jitterMs
 */

/** @typedef {{ code: string, cost: number, text: string }} Reason what takes points off, how many, and in words. */

/**
 * @typedef {object} Quality
 * @property {number} score 0 to 100.
 * @property {"good" | "fair" | "poor" | "none"} grade none: there is no connection.
 * @property {readonly Reason[]} reasons the most costly first.
 * @property {number | undefined} rttMs the median time of a request and its answer, in ms.
 * @property {number | undefined} rttP95Ms
 * @property {number | undefined} jitterMs the mean difference between one round trip and the next, in ms.
 * @property {number} loss the share of requests without an answer, 0 to 1.
 * @property {number | undefined} eventP50Ms from the log to this page, in ms; by the service's clock.
 * @property {number | undefined} eventP95Ms
 * @property {number} reconnects in the last ten minutes.
 * @property {number} resets in the last ten minutes.
 * @property {number | undefined} skewMs how far this device's clock is ahead of the service's, in ms.
 * @property {readonly Sample[]} history the oldest first.
 */

export class QualityMeter {
  /** @type {(number | null)[]} */
  #trips = [];
  /** @type {number[]} */
  #delays = [];
  /** @type {number[]} */
  #reconnects = [];
  /** @type {number[]} */
  #resets = [];
  /** @type {Sample[]} */
  #history = [];
  #clock;
  /** @type {import("./stream.js").State} */
  #state = "connecting";
  #isWell = false;
  /** Connecting is no flaw before the first connection, unless it takes long. */
  #patientUntil = Date.now() + FIRST_MS;

  #streams;

  /**
   * @param {Clock} [clock] which the answers set.
   * @param {boolean} [streams] false: it only polls, so that is no flaw.
   */
  constructor(clock = new Clock(), streams = true) {
    this.#clock = clock;
    this.#streams = streams;
  }

  /**
   * @param {import("./stream.js").State} state
   * @param {boolean} isFailure false where the service ended the stream in order, to be opened anew.
   */
  become(state, isFailure) {
    const wasLost = this.#isWell && isFailure && (state === "connecting" || state === "offline");
    if (wasLost) push(this.#reconnects, Date.now(), 100);
    if (state === "live" || state === "degraded") {
      this.#isWell = true;
      this.#patientUntil = 0;
    } else if (isFailure) this.#isWell = false;
    this.#state = state;
  }

  reset() {
    push(this.#resets, Date.now(), 100);
  }

  /**
   * @param {number | null} ms null: there was no answer.
   * @param {number} [serverTime] the service's clock in that answer, ms since the epoch.
   */
  answered(ms, serverTime) {
    push(this.#trips, ms, MOST_TRIPS);
    if (ms !== null && serverTime !== undefined) this.#clock.answered(ms, serverTime);
    const { score, jitterMs } = this.read();
    push(this.#history, { at: Date.now(), score, rttMs: ms, jitterMs: jitterMs ?? null }, MOST_HISTORY);
  }

  /** @param {string} id of an event: its time is the log's. */
  arrived(id) {
    const delay = this.#clock.delayOf(id);
    if (delay !== undefined) push(this.#delays, delay, MOST_DELAYS);
  }

  /** @returns {Quality} */
  read() {
    const answered = answeredOf(this.#trips);
    const ordered = [...answered].sort(ascending);
    const delays = [...this.#delays].sort(ascending);
    const steps = answered.slice(1).map((ms, index) => Math.abs(ms - (answered[index] ?? ms)));
    const jitterMs = steps.length > 0 ? steps.reduce((sum, step) => sum + step, 0) / steps.length : undefined;
    const recent = this.#trips.slice(-20);
    const loss = recent.length > 0 ? recent.filter((ms) => ms === null).length / recent.length : 0;
    const since = Date.now() - RECENT_MS;
    const reconnects = this.#reconnects.filter((at) => at > since).length;
    const resets = this.#resets.filter((at) => at > since).length;
    const rttP95Ms = share(ordered, 0.95);
    const isPatient = this.#state === "connecting" && Date.now() < this.#patientUntil;
    const isMeant = this.#state === "degraded" && !this.#streams;
    const reasons = reasonsOf({
      state: isPatient || isMeant ? "live" : this.#state,
      rttP95Ms,
      jitterMs,
      loss,
      reconnects,
      resets,
      skewMs: this.#clock.skewMs,
    });
    const isAway = this.#state === "offline" || this.#state === "stopped";
    const score = isAway
      ? 0
      : Math.max(0, 100 - Math.round(reasons.reduce((sum, { cost }) => sum + cost, 0)));
    return {
      score,
      grade: isAway ? "none" : score >= 80 ? "good" : score >= 50 ? "fair" : "poor",
      reasons,
      rttMs: share(ordered, 0.5),
      rttP95Ms,
      jitterMs,
      loss,
      eventP50Ms: share(delays, 0.5),
      eventP95Ms: share(delays, 0.95),
      reconnects,
      resets,
      skewMs: this.#clock.skewMs,
      history: this.#history,
    };
  }
}

/**
 * @param {{ state: string, rttP95Ms?: number, jitterMs?: number, loss: number, reconnects: number, resets: number, skewMs?: number }} measured
 * @returns {Reason[]}
 */
function reasonsOf({ state, rttP95Ms = 0, jitterMs = 0, loss, reconnects, resets, skewMs = 0 }) {
  /** @type {Reason[]} */
  const reasons = [];
  const add = (/** @type {string} */ code, /** @type {number} */ cost, /** @type {string} */ text) => {
    if (cost >= 1) reasons.push({ code, cost: Math.round(cost), text });
  };
  if (state === "offline") add("offline", 100, "There is no connection.");
  if (state === "stopped") add("stopped", 100, "The connection is stopped.");
  if (state === "connecting") add("connecting", 30, "It is connecting.");
  if (state === "degraded") add("polling", 20, "Streams do not get through, so it polls.");
  add("loss", 60 * loss, `${Math.round(100 * loss)} % of requests get no answer.`);
  add("latency", between(0, 30, (rttP95Ms - 300) / 40), `Answers take up to ${Math.round(rttP95Ms)} ms.`);
  add("jitter", between(0, 15, (jitterMs - 60) / 12), `Answer times vary by ${Math.round(jitterMs)} ms.`);
  add("reconnects", between(0, 25, 5 * reconnects), `${reconnects} reconnects in ten minutes.`);
  add("resets", between(0, 20, 10 * resets), `${resets} times events were lost for good in ten minutes.`);
  if (Math.abs(skewMs) > 30_000)
    add("clock", 1, `This device's clock is wrong by ${Math.round(skewMs / 1000)} s.`);
  return reasons.sort((left, right) => right.cost - left.cost);
}

const ascending = (/** @type {number} */ a, /** @type {number} */ b) => a - b;
const between = (/** @type {number} */ low, /** @type {number} */ high, /** @type {number} */ value) =>
  Math.min(high, Math.max(low, value));
/** @param {readonly (number | null)[]} trips @returns {number[]} */
const answeredOf = (trips) => trips.filter((ms) => ms !== null);

/**
 * @param {readonly number[]} ordered
 * @param {number} part 0 to 1.
 */
export const share = (ordered, part) =>
  ordered[Math.min(ordered.length - 1, Math.floor(ordered.length * part))];

/**
 * @template T
 * @param {T[]} list
 * @param {T} value
 * @param {number} most
 */
function push(list, value, most) {
  list.push(value);
  if (list.length > most) list.splice(0, list.length - most);
}
