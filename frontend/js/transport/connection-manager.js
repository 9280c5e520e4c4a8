/**
 * The connection to an OmniAI service, for any page: live events that are neither lost nor doubled, one connection for all
 * tabs of a browser, logins that are renewed in time, and a measure of how good it all is. README.md has examples.
 */
import { Api, ApiError } from "./api.js";
import { insist, isFinalRefusal, toldMs } from "./attempts.js";
import { Clock } from "./clock.js";
import { Cursor } from "./cursor.js";
import { Emitter } from "./emitter.js";
import { backoffMs, pause } from "./backoff.js";
import { QualityMeter } from "./quality.js";
import { Session } from "./session.js";
import { pollOnce, Stream } from "./stream.js";
import { Tabs } from "./tabs.js";

export { ApiError };

/**
 * - `connecting`: an attempt is under way, or waits for its turn;
 * - `live`: events arrive as a stream, the moment they happen;
 * - `degraded`: streams do not get through, or it is told not to use them, so it polls: the same events, a little later;
 * - `offline`: the device is offline, or nothing has answered for a while; it goes on trying;
 * - `stopped`: before start(), after stop(), and when nobody is logged in where a login is needed.
 * @typedef {import("./stream.js").State} State
 */

/**
 * @typedef {object} StateChange
 * @property {State} state
 * @property {string} [reason] what went wrong, in words.
 * @property {number} [retryMs] when it tries again.
 * @property {number} [failures] how many attempts in a row have failed.
 * @property {boolean} isLeading whether this tab holds the connection, or hears of it from another one.
 */

/** @typedef {import("./cursor.js").StreamEvent & { isLate: boolean }} ReceivedEvent isLate: it happened while there was no connection. */

/**
 * What on() tells.
 * @typedef {object} ConnectionEvents
 * @property {ReceivedEvent} event something was published.
 * @property {{ reason: string }} reset events were lost to this page for good: read again what they are about.
 * @property {StateChange} state
 * @property {import("./quality.js").Quality} quality after each measurement.
 * @property {import("./session.js").AuthState} session somebody logged in or out, in this tab or another.
 * @property {{ cursor: string }} cursor everything up to here was received. Keep it to go on there after a reload.
 */

/**
 * @typedef {object} ConnectionOptions
 * @property {string} url the API's origin, for example "https://api.example.org". Default: the page's own.
 * @property {readonly string[]} [topics] topics, and prefixes such as "public.*". Default: the public ones, and the user's own.
 * @property {string} [cursor] where to resume. Default: with the next event.
 * @property {number} [heartbeatSeconds] how often a quiet stream says that it lives: 15, as the service's default.
 * @property {string} [authMode] how people log in at the service, where the page knows it: none, session, token or both. Default: it is asked.
 * @property {boolean} [streams] whether it streams. Default: true; false: it only polls.
 * @property {number} [pollSeconds] the longest that one poll waits for an event, in whole seconds, 1 to 25. Default: 25.
 * @property {string} [client] a name of this page, 8 to 64 letters, digits, _ and -; the service shows the stream under it.
 * @property {boolean} [shared] whether the tabs of this browser share one connection. Default: true.
 * @property {number} [measureSeconds] how often a visible page measures the connection: 15. 0 for never.
 */

/** How long after a connection is back events count as missed ones, in ms. */
const SETTLE_MS = 500;
const MEASURE_PATH = "/api/diag/health-summary";

/** @extends {Emitter<ConnectionEvents>} */
export class ConnectionManager extends Emitter {
  /** Requests to the API, with the credentials of the login. */
  api;
  /** @type {Session} */
  session;
  /** The service's clock, as measure() finds it. */
  clock = new Clock();
  #options;
  #quality;
  #cursor;
  /** @type {string | undefined} */
  #topics;
  /** @type {StateChange} */
  #state = { state: "stopped", isLeading: false };
  /** @type {Tabs | undefined} */
  #tabs;
  /** @type {Stream | undefined} */
  #stream;
  #running = new AbortController();
  /** Ends what asks for a part that this tab has missed. */
  #catching = new AbortController();
  #isCatchingUp = false;
  /** The furthest that the leader has told of. */
  /** @type {string | undefined} */
  #known;
  #isAway = false;
  /** Who reads what, as of the last change of the login. */
  #reader;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #settling;

  /** @param {Partial<ConnectionOptions>} [options] */
  constructor(options = {}) {
    super();
    const { url = location.origin, cursor, topics, authMode, streams } = options;
    this.#options = { heartbeatSeconds: 15, shared: true, measureSeconds: 15, ...options };
    this.api = new Api(url.replace(/\/$/, ""));
    this.session = new Session(this.api, authMode);
    this.#quality = new QualityMeter(this.clock, streams);
    this.session.onChange = () => {
      this.emit("session", this.session.state);
      // The stream of before has the topics and the rights of whoever was there before.
      const reader = this.#readerOf();
      if (reader !== this.#reader) this.#stream?.reopen();
      this.#reader = reader;
    };
    this.#cursor = new Cursor(cursor);
    this.#topics = topics?.join(",");
    this.#reader = this.#readerOf();
    this.#running.abort();
  }

  /** The present state. */
  get state() {
    return this.#state;
  }

  /** Everything up to here was received; undefined before the first connection. */
  get cursor() {
    return this.#cursor.value;
  }

  /** How good the connection is. */
  get quality() {
    return this.#quality.read();
  }

  /** Begins, and goes on by itself from then on, whatever happens. Again after stop(): it goes on where it was. */
  start() {
    if (!this.#running.signal.aborted) return;
    const running = new AbortController();
    this.#running = running;
    this.#become({ state: "connecting" });
    this.#listen();
    void this.session.start().then(() => {
      // It may have been stopped and started again in the meantime; then the other start joins.
      if (this.#running === running) this.#join();
    });
    void this.#measure();
  }

  /** Ends this page's part. Other tabs go on. */
  stop() {
    this.#running.abort();
    this.session.stop();
    this.#leave();
    this.#become({ state: "stopped" });
  }

  /** Tries at once, where it waits; replaces a connection that may be dead. The manager calls it when the page is looked at. */
  wake() {
    if (this.#stream) this.#stream.wake();
    else this.#tabs?.request({ kind: "wake" });
  }

  /**
   * Follows other topics from now on, from where it is. Tabs with the same topics share a connection.
   * @param {readonly string[]} [topics] default: the public ones, and the user's own.
   */
  setTopics(topics) {
    const next = topics?.join(",");
    if (next === this.#topics) return;
    this.#topics = next;
    this.#reader = this.#readerOf();
    // Before it has joined, start() is about to do it, with these topics.
    if (this.#running.signal.aborted || !this.#tabs) return;
    this.#leave();
    this.#join();
  }

  /**
   * Publishes an event. It has one key for all attempts, so that an event whose answer was lost is not stored twice.
   * @param {{ type: string, data: unknown, topic?: string }} event
   * @returns {Promise<{ id: string }>} when it is on disk.
   * @throws {ApiError} when the service refuses it, TypeError when three attempts got no answer.
   */
  async publish(event) {
    const headers = { "idempotency-key": crypto.randomUUID() };
    return insist(() => this.api.post("/api/events", event, { headers }), isFinalRefusal);
  }

  /** What a stream depends on: who reads it, and the topics in effect. */
  #readerOf() {
    const { authenticated, id } = this.session.state;
    return JSON.stringify([authenticated, id, this.#topics ?? this.session.topics]);
  }

  #join() {
    const { signal } = this.#running;
    if (signal.aborted) return;
    const name = `omniai events ${this.api.baseUrl} ${this.#topics ?? ""}`;
    const options = {
      name,
      lead: (/** @type {AbortSignal} */ ended) => this.#lead(ended),
      onMessage: (/** @type {any} */ message) => this.#follow(message),
      onRequest: () => this.#stream?.wake(),
      greeting: () => ({ kind: "state", ...this.#state, cursor: this.#cursor.value }),
    };
    this.#tabs = new Tabs(options, this.#options.shared);
    void this.#tabs.run();
  }

  #leave() {
    this.#tabs?.stop();
    this.#tabs = undefined;
    this.#catching.abort();
    this.#known = undefined;
  }

  /** Holds the connection for all tabs. @param {AbortSignal} ended */
  async #lead(ended) {
    this.#catching.abort();
    const stream = new Stream({
      api: this.api,
      client: this.#options.client,
      topics: () => this.#topics ?? this.session.topics,
      heartbeatSeconds: this.#options.heartbeatSeconds,
      pollSeconds: this.#options.pollSeconds,
      streams: this.#options.streams,
      cursor: this.#cursor.value,
      onBatch: (batch) => {
        if (ended.aborted) return;
        this.#tabs?.tell({ kind: "batch", batch });
        this.#deliver(batch);
      },
      onState: (state, detail) => {
        if (ended.aborted) return;
        this.#become({ state, ...detail });
        this.#tabs?.tell({ kind: "state", ...this.#state, cursor: this.#cursor.value });
      },
      onUnauthorized: () => this.#renewLogin(),
    });
    this.#stream = stream;
    await stream.run(ended);
    if (this.#stream === stream) this.#stream = undefined;
  }

  /** @returns {Promise<boolean>} whether it is worth another attempt. */
  async #renewLogin() {
    if (await this.session.renew()) return true;
    const wasLoggedIn = this.session.state.authenticated;
    await this.session.check().catch(() => undefined);
    // Public events go on without a login.
    return wasLoggedIn;
  }

  /** What the leader says. @param {any} message */
  #follow(message) {
    if (message.kind === "batch") {
      this.#known = message.batch.to;
      if (!this.#isCatchingUp) this.#deliver(message.batch);
      return;
    }
    const { state, reason, retryMs, failures, cursor } = message;
    this.#become({ state, reason, retryMs, failures });
    if (cursor === undefined) return;
    this.#known = cursor;
    if (this.#cursor.value === undefined) this.#moved(cursor);
    else if (!this.#cursor.has(cursor)) void this.#catchUp();
  }

  /** @param {import("./cursor.js").Batch} batch */
  #deliver(batch) {
    const taken = this.#cursor.take(batch);
    if (!taken) return void this.#catchUp();
    if (taken.reset !== undefined) {
      this.#quality.reset();
      this.emit("reset", { reason: taken.reset });
    }
    for (const event of taken.events) {
      // Events that are late because the connection was away say nothing about how fast it is.
      if (!this.#isAway) this.#quality.arrived(event.id);
      this.emit("event", { ...event, isLate: this.#isAway });
    }
    if (this.#cursor.value !== undefined) this.emit("cursor", { cursor: this.#cursor.value });
  }

  /** @param {string} cursor */
  #moved(cursor) {
    this.#cursor.value = cursor;
    this.emit("cursor", { cursor });
  }

  /** Asks the service for what this tab has missed while it did not hear its leader: it was asleep, or has just come. */
  async #catchUp() {
    if (this.#isCatchingUp) return;
    this.#isCatchingUp = true;
    this.#catching = new AbortController();
    const { signal } = this.#catching;
    let failures = 0;
    for (;;) {
      // Whoever holds the connection finds out when the service is back: all other tabs need not ask it as well.
      await this.#whenWell(signal);
      if (signal.aborted) break;
      try {
        const batch = await pollOnce(this.api, {
          after: this.#cursor.value,
          wait: 0,
          topics: this.#topics ?? this.session.topics,
          signal: AbortSignal.any([signal, AbortSignal.timeout(10_000)]),
        });
        failures = 0;
        this.#deliver(batch);
        if (!batch.more && (this.#known === undefined || this.#cursor.has(this.#known))) break;
        // The log the leader knows of is another one: the answer above was the reset that tells so.
        if (!batch.more && batch.to === batch.from) break;
      } catch (error) {
        if (signal.aborted) break;
        failures += 1;
        if (error instanceof ApiError && error.status === 401) await this.#renewLogin();
        await pause(toldMs(error) + backoffMs(failures), signal);
      }
    }
    this.#isCatchingUp = false;
  }

  /**
   * Resolves when events arrive, in whichever tab, or when the signal ends.
   * @param {AbortSignal} signal
   * @returns {Promise<void>}
   */
  #whenWell(signal) {
    return new Promise((resolve) => {
      if (signal.aborted || isWell(this.#state.state)) return resolve();
      const done = () => {
        forget();
        signal.removeEventListener("abort", done);
        resolve();
      };
      const forget = this.on("state", ({ state }) => isWell(state) && done());
      signal.addEventListener("abort", done);
    });
  }

  /** @param {Omit<StateChange, "isLeading">} change */
  #become(change) {
    const next = { ...change, isLeading: this.#tabs?.isLeading ?? false };
    const isSame = JSON.stringify(next) === JSON.stringify(this.#state);
    this.#state = next;
    if (isSame) return;
    if (isWell(next.state)) this.#caughtUp();
    else if ((next.failures ?? 0) > 0 || next.state === "offline") this.#isAway = true;
    this.#quality.become(next.state, (next.failures ?? 0) > 0 || next.state === "offline");
    this.emit("state", next);
  }

  /** What was missed comes within moments of the connection. */
  #caughtUp() {
    clearTimeout(this.#settling);
    this.#settling = setTimeout(() => (this.#isAway = false), SETTLE_MS);
  }

  #listen() {
    const { signal } = this.#running;
    const look = () => {
      if (document.visibilityState === "hidden") return;
      this.wake();
    };
    document.addEventListener("visibilitychange", look, { signal });
    addEventListener("online", look, { signal });
    addEventListener("pageshow", look, { signal });
    addEventListener("offline", () => this.#stream?.drop(), { signal });
  }

  async #measure() {
    const { signal } = this.#running;
    const { measureSeconds } = this.#options;
    while (measureSeconds > 0 && !signal.aborted) {
      if (document.visibilityState === "visible" && navigator.onLine) await this.measure();
      await pause(measureSeconds * 1000, signal);
    }
  }

  /** Measures once, now. @returns {Promise<import("./quality.js").Quality>} */
  async measure() {
    const asked = performance.now();
    try {
      const { time } = await this.api.get(MEASURE_PATH, { signal: AbortSignal.timeout(5000) });
      this.#quality.answered(performance.now() - asked, Date.parse(time) || undefined);
    } catch (error) {
      // An answer that refuses is an answer.
      this.#quality.answered(error instanceof ApiError ? performance.now() - asked : null);
    }
    const quality = this.#quality.read();
    this.emit("quality", quality);
    return quality;
  }
}

/** Whether events arrive. @param {State} state */
const isWell = (state) => state === "live" || state === "degraded";
