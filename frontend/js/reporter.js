/** Reports to the service how well this page's connection works: latency, reconnects, errors. Never what was in an event. */

const EVERY_MS = 5 * 60_000;
const MOST_SAMPLES = 500;
const MOST_ERRORS = 20;

export class Reporter {
  #api;
  #client;
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
   */
  constructor(api, client) {
    this.#api = api;
    this.#client = client;
  }

  start() {
    addEventListener("error", (event) =>
      this.error(event.message, event.filename, event.lineno, event.colno),
    );
    addEventListener("unhandledrejection", (event) => this.error(String(event.reason)));
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
    this.#lastReason = reason?.slice(0, 200);
  }

  /**
   * @param {string} message
   * @param {string} [source]
   * @param {number} [line]
   * @param {number} [column]
   */
  error(message, source, line, column) {
    const key = `${message} ${source} ${line}`;
    const known = this.#errors.get(key);
    if (known) known.count += 1;
    else if (this.#errors.size < MOST_ERRORS) {
      const at = source ? { source: source.slice(0, 300), line, column } : {};
      this.#errors.set(key, { message: message.slice(0, 500), ...at, count: 1 });
    }
  }

  /** @param {boolean} isLast true lets the request outlive the page. */
  async send(isLast) {
    const hasNews = this.#latencies.length > 0 || this.#reconnects > 0 || this.#errors.size > 0;
    if (!hasNews) return;
    const report = this.#take();
    // A report that does not get through is not repeated: the next one has newer figures.
    await this.#api.post("/api/diag/client-reports", report, {}, isLast).catch(() => undefined);
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
