/** What the page says of an outage: that there is one, and afterwards what came of it. */
import { span } from "./dom.js";

/** How long the news of a recovery stays, in ms. */
const GOOD_NEWS_MS = 8000;
/** How long it stays that something was lost, in ms: whoever was away from the screen should see it. */
const LOSS_NEWS_MS = 60_000;
/** Missed events come within so many ms of the connection. */
const SETTLE_MS = 700;

/** @typedef {(text: string | undefined, kind?: "good" | "warn" | "bad") => void} Say undefined: nothing to say. */

/** Measures how long the connection was away, and what came, or never will, of what happened meanwhile. */
export class Outage {
  /** @type {number | undefined} */
  #since;
  #caughtUp = 0;
  #isLossy = false;
  #awayMs = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #settling;
  /** Runs while the news of the recovery is shown. */
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #news;
  #say;
  #settleMs;

  /**
   * @param {Say} say shows it.
   * @param {number} [settleMs] how long the news of the recovery waits for what was missed.
   */
  constructor(say, settleMs = SETTLE_MS) {
    this.#say = say;
    this.#settleMs = settleMs;
  }

  get isOn() {
    return this.#since !== undefined;
  }

  /** @param {string} text */
  begin(text) {
    if (!this.isOn) {
      this.#caughtUp = 0;
      this.#isLossy = false;
    }
    clearTimeout(this.#news);
    this.#news = undefined;
    clearTimeout(this.#settling);
    this.#settling = undefined;
    this.#since ??= Date.now();
    this.#say(text, "bad");
  }

  /** An event has come. */
  count() {
    if (this.isOn) this.#caughtUp += 1;
  }

  /** Events were lost to this page for good. */
  lost() {
    if (!this.isOn && this.#news === undefined) return;
    this.#isLossy = true;
    // A tab that catches up by itself may hear of it only after it has said that all is well.
    if (this.#news !== undefined) this.#announce();
  }

  /** The connection is back. */
  end() {
    if (this.#since === undefined || this.#settling !== undefined) return;
    this.#awayMs = Date.now() - this.#since;
    this.#settling = setTimeout(() => this.#announce(), this.#settleMs);
  }

  #announce() {
    const came = this.#caughtUp > 0 ? [`${this.#caughtUp} caught up`] : [];
    const sum = this.#isLossy ? "some events were lost for good" : "nothing was missed";
    const news = `Back after ${span(this.#awayMs / 1000)}: ${[...came, sum].join(", ")}.`;
    this.#say(news, this.#isLossy ? "warn" : "good");
    this.#since = undefined;
    this.#settling = undefined;
    clearTimeout(this.#news);
    this.#news = setTimeout(
      () => {
        this.#news = undefined;
        this.#say(undefined);
      },
      this.#isLossy ? LOSS_NEWS_MS : GOOD_NEWS_MS,
    );
  }
}
