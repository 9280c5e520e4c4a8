/** Reports to the service how well this page works: latency, reconnects, errors. Never what was in an event. */
import { alike } from "./page-health.js";
import { isFinalRefusal } from "./transport/attempts.js";

const PATH = "/api/diag/client-reports";

const EVERY_MS = 5 * 60_000;
const MOST_SAMPLES = 500;
const MOST_ERRORS = 20;
/** The highest count that the service takes. */
const MOST_COUNTED = 1_000_000;

export class Reporter {
  #api;
  #client;
  #redact;
  #isOn = true;
  #since = Date.now();
  /** @type {number[]} */
  #latencies = [];
  /** @type {number[]} */
  #roundTrips = [];
  #reconnects = 0;
  /** @type {string | undefined} */
  #lastReason;
  /** @type {Map<string, { message: string, source?: string, line?: number, column?: number, count: number }>} */
  #errors = new Map();

  /**
   * @param {import("./transport/api.js").Api} api
   * @param {string} client a random name of this page, which says nothing about its user.
   * @param {(text: string) => string} redact takes out of a text what nobody may see.
   */
  constructor(api, client, redact) {
    this.#api = api;
    this.#client = client;
    this.#redact = redact;
  }

  /** Turned off, it sends nothing. What came before a change of mind is forgotten. @param {boolean} isOn */
  turn(isOn) {
    this.#isOn = isOn;
    this.#take();
  }

  start() {
    // The last moment at which a page on a phone is certain to run.
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "hidden") void this.send(true);
    });
    setInterval(() => void this.send(false), EVERY_MS);
  }

  /**
   * @param {string} eventId
   * @param {import("./transport/clock.js").Clock} clock the service's, whose time the event's id has.
   */
  arrived(eventId, clock) {
    const delay = clock.delayOf(eventId);
    if (delay === undefined) return;
    if (this.#latencies.length >= MOST_SAMPLES) this.#latencies.shift();
    this.#latencies.push(Math.min(3_600_000, delay));
  }

  /** @param {number} ms from a request to its answer. */
  answered(ms) {
    if (this.#roundTrips.length >= MOST_SAMPLES) this.#roundTrips.shift();
    this.#roundTrips.push(Math.min(3_600_000, ms));
  }

  /** @param {string | undefined} reason */
  lost(reason) {
    this.#reconnects += 1;
    this.#lastReason = reason === undefined ? undefined : this.#redact(reason).slice(0, 200);
  }

  /** @param {import("./page-health.js").PageError} error */
  error({ kind, text, source, line, column, path }) {
    // A report that fails must not be the reason for the next one.
    if (path === PATH) return;
    const whole = this.#redact(kind === "error" ? text : `${kind}: ${text}`);
    const message = whole.slice(0, 500);
    const at = source ? { source: source.slice(0, 300), line, column } : {};
    this.#add(`${alike(message)} ${source} ${line}`, { message, ...at, count: 1 });
  }

  /**
   * @param {string} key
   * @param {{ message: string, source?: string, line?: number, column?: number, count: number }} group
   */
  #add(key, group) {
    const known = this.#errors.get(key);
    if (known) known.count = Math.min(MOST_COUNTED, known.count + group.count);
    else if (this.#errors.size < MOST_ERRORS) this.#errors.set(key, group);
  }

  /** @param {boolean} isLast true lets the request outlive the page. */
  async send(isLast) {
    const hasNews = this.#latencies.length > 0 || this.#reconnects > 0 || this.#errors.size > 0;
    if (!hasNews || !this.#isOn) return;
    const errors = [...this.#errors];
    const report = this.#take();
    try {
      await this.#api.post(PATH, report, { keepalive: isLast });
    } catch (error) {
      // The next report has newer figures. But the errors of an outage happen while nothing can be reported: they wait for it.
      if (!isFinalRefusal(error) && this.#isOn) for (const [key, group] of errors) this.#add(key, group);
    }
  }

  #take() {
    const latencies = sorted(this.#latencies);
    const roundTripMs = at(sorted(this.#roundTrips), 0.5);
    const report = {
      client: this.#client,
      periodSeconds: (Date.now() - this.#since) / 1000,
      ...(latencies.length > 0
        ? {
            latency: {
              samples: latencies.length,
              p50Ms: at(latencies, 0.5),
              p95Ms: at(latencies, 0.95),
              maxMs: latencies.at(-1),
            },
          }
        : {}),
      ...(roundTripMs === undefined ? {} : { roundTripMs }),
      reconnects: { count: this.#reconnects, ...(this.#lastReason ? { lastReason: this.#lastReason } : {}) },
      errors: [...this.#errors.values()],
    };
    this.#since = Date.now();
    this.#latencies = [];
    this.#roundTrips = [];
    this.#reconnects = 0;
    this.#lastReason = undefined;
    this.#errors.clear();
    return report;
  }
}

/** @param {readonly number[]} numbers */
const sorted = (numbers) => [...numbers].sort((a, b) => a - b);

/**
 * @param {readonly number[]} ordered
 * @param {number} share from 0 to 1.
 */
const at = (ordered, share) => ordered[Math.min(ordered.length - 1, Math.floor(ordered.length * share))];
