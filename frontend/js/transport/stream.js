/**
 * One connection to the stream of events. It streams while it can and tries again with growing, random waits. When
 * streaming fails again and again it polls, and goes back to streaming when that works. One attempt at a time.
 */
import { ApiError } from "./api.js";
import { toldMs } from "./attempts.js";
import { backoffMs, pause } from "./backoff.js";
import { EventStreamParser } from "./event-stream-parser.js";

/** Silence for longer than so many heartbeats means that the connection is dead. */
const SILENCE = 2.5;
/** How many streams in a row have to fail before it polls. */
const POLL_AFTER = 3;
/** How many attempts in a row have to fail, streams and polls, before the service counts as out of reach. */
const OFFLINE_AFTER = 6;
/** How long it polls before it tries to stream again, in ms: at first, and at most. It doubles each time. */
const STREAM_AGAIN_MS = 5000;
const STREAM_AGAIN_MAX_MS = 60_000;
/** The longest wait of one poll, in seconds, unless the page says otherwise. */
const POLL_SECONDS = 25;
/** How often it tries while the browser says that the device is offline, in ms: the browser may be wrong. */
const OFFLINE_TRY_MS = 30_000;

/** @typedef {"connecting" | "live" | "degraded" | "offline" | "stopped"} State */
/** @typedef {{ reason?: string, retryMs?: number, failures?: number }} StateDetail */

/**
 * @typedef {object} StreamOptions
 * @property {import("./api.js").Api} api
 * @property {string | undefined} client the page's name in its reports; the service shows the stream under it, too.
 * @property {() => string | undefined} topics the topics to follow; undefined: the public ones.
 * @property {number} heartbeatSeconds
 * @property {number} [pollSeconds] the longest wait of one poll.
 * @property {boolean} [streams] false: it only polls.
 * @property {string | undefined} cursor where to resume; undefined: begin with the next event.
 * @property {(batch: import("./cursor.js").Batch) => void} onBatch
 * @property {(state: State, detail: StateDetail) => void} onState
 * @property {() => Promise<boolean>} onUnauthorized tries to renew the login; false: a person has to log in.
 */

export class Stream {
  /** @type {StreamOptions} */
  #options;
  /** @type {string | undefined} */
  #cursor;
  #failures = 0;
  #retryMs = 0;
  #isReopening = false;
  #pollUntil = 0;
  #pollForMs = STREAM_AGAIN_MS;
  #doesPollWork = false;
  #lastHeard = 0;
  /**
   * Why events were lost, until it is handed on: the position that it belongs to comes after it, maybe in another read.
   * @type {string | undefined}
   */
  #reset;
  /** Ends the request that is under way. */
  #request = new AbortController();
  /** Ends the wait that is under way. */
  #wait = new AbortController();

  /** @param {StreamOptions} options */
  constructor(options) {
    this.#options = options;
    this.#cursor = options.cursor;
    if (options.streams === false) this.#pollUntil = Infinity;
  }

  /**
   * Resolves when the signal has ended it.
   * @param {AbortSignal} signal
   */
  async run(signal) {
    const end = () => {
      this.#wait.abort();
      this.#request.abort(new Error("stopped"));
    };
    signal.addEventListener("abort", end, { once: true });
    while (!signal.aborted) {
      if (!navigator.onLine) {
        this.#options.onState("offline", { reason: "this device is offline" });
        await this.#pause(OFFLINE_TRY_MS);
        if (signal.aborted) break;
      }
      this.#isReopening = false;
      try {
        if (Date.now() < this.#pollUntil) await this.#poll();
        else {
          await this.#stream();
          this.#options.onState("connecting", { retryMs: this.#retryMs, failures: this.#failures });
        }
        await this.#pause(this.#retryMs);
      } catch (error) {
        if (!this.#isReopening && !signal.aborted) await this.#failed(error);
      }
    }
    signal.removeEventListener("abort", end);
  }

  /** Opens the stream again at once, because the login has changed. That does not count as a failure. */
  reopen() {
    this.#isReopening = true;
    this.#wait.abort();
    this.#request.abort(new Error("opened anew"));
  }

  /** Somebody looks at the page, or the network is back: ends the wait, and replaces a connection that may be dead. */
  wake() {
    this.#wait.abort();
    if (Date.now() - this.#lastHeard > this.#silenceMs) this.#request.abort(new Error("nothing heard"));
  }

  /** The network is gone, so nothing more will come on this connection. */
  drop() {
    this.#request.abort(new Error("offline"));
  }

  get #silenceMs() {
    return SILENCE * this.#options.heartbeatSeconds * 1000;
  }

  async #stream() {
    this.#options.onState("connecting", { failures: this.#failures });
    this.#request = new AbortController();
    let watchdog = this.#watch();
    try {
      const { client, api } = this.#options;
      const query = new URLSearchParams({ ...(client ? { client } : {}), ...this.#topics });
      const response = await api.request(`/api/events?${query}`, {
        type: /^text\/event-stream\b/,
        headers: { accept: "text/event-stream", ...(this.#cursor ? { "last-event-id": this.#cursor } : {}) },
        signal: this.#request.signal,
      });
      // 204 means that these topics need a login; the service sends it so that an EventSource gives up.
      if (response.status === 204) throw new ApiError(401, "The session has ended.", undefined);
      if (!response.body) throw new Error("the answer has no body");
      const parser = new EventStreamParser();
      const reader = response.body.getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        clearTimeout(watchdog);
        watchdog = this.#watch();
        this.#take(parser.push(value));
      }
    } finally {
      clearTimeout(watchdog);
      // The cursor has not moved over it, so the service tells the next connection again.
      this.#reset = undefined;
    }
  }

  /** @returns {Record<string, string>} */
  get #topics() {
    const topics = this.#options.topics();
    return topics === undefined ? {} : { topics };
  }

  #watch() {
    this.#lastHeard = Date.now();
    return setTimeout(() => this.#request.abort(new Error("nothing heard")), this.#silenceMs);
  }

  /** @param {import("./event-stream-parser.js").Block[]} blocks */
  #take(blocks) {
    const from = this.#cursor;
    /** @type {import("./cursor.js").StreamEvent[]} */
    const events = [];
    let isHeard = false;
    for (const { id, event, data, retry } of blocks) {
      if (retry !== undefined) this.#retryMs = retry;
      if (event === "reset") this.#reset = String(parsed(data)?.reason ?? "unknown");
      else if (data !== undefined && event !== "hb" && event !== "bye")
        events.push({ id: id ?? "", type: event, data: parsed(data) });
      if (id !== undefined) this.#cursor = id;
      // Only received data proves that it works: an opened stream may end at once.
      if (data !== undefined && event !== "bye") isHeard = true;
    }
    if (this.#hand(from, events, this.#reset)) this.#reset = undefined;
    if (isHeard) this.#succeeded("live");
  }

  /**
   * @param {string | undefined} from
   * @param {import("./cursor.js").StreamEvent[]} events
   * @param {string | undefined} reset
   * @returns {boolean} false: there was nothing to hand on.
   */
  #hand(from, events, reset) {
    const to = this.#cursor;
    if (to === undefined || (to === from && events.length === 0)) return false;
    this.#options.onBatch({ from, to, events, ...(reset === undefined ? {} : { reset }) });
    return true;
  }

  async #poll() {
    this.#request = new AbortController();
    const { pollSeconds = POLL_SECONDS } = this.#options;
    const leftSeconds = Math.ceil((this.#pollUntil - Date.now()) / 1000);
    // The first poll does not wait, to find out whether polling works; the others wait for an event.
    const wait = this.#doesPollWork ? Math.max(1, Math.min(pollSeconds, leftSeconds)) : 0;
    const from = this.#cursor;
    const signal = AbortSignal.any([this.#request.signal, AbortSignal.timeout(40_000)]);
    const page = await pollOnce(this.#options.api, {
      after: from,
      wait,
      topics: this.#options.topics(),
      signal,
    });
    this.#lastHeard = Date.now();
    this.#cursor = page.to;
    this.#retryMs = page.retryMs;
    this.#doesPollWork = true;
    this.#hand(from, page.events, page.reset);
    this.#succeeded("degraded");
  }

  /** @param {"live" | "degraded"} state */
  #succeeded(state) {
    this.#failures = 0;
    if (state === "live") this.#pollForMs = STREAM_AGAIN_MS;
    this.#options.onState(state, {});
  }

  /** @param {unknown} error */
  async #failed(error) {
    const reason = error instanceof Error ? error.message : String(error);
    if (error instanceof ApiError && error.status === 401 && !(await this.#options.onUnauthorized())) {
      this.#options.onState("stopped", { reason });
      return this.#pause(2 ** 31 - 1);
    }
    this.#failures += 1;
    // The next poll finds out at once whether polling works again.
    this.#doesPollWork = false;
    // When no stream got through the last time either, one more failure is enough.
    const patience = this.#pollForMs > STREAM_AGAIN_MS ? 1 : POLL_AFTER;
    const isTurning = this.#failures >= patience && Date.now() >= this.#pollUntil;
    // Polling is another way, so it is tried earlier than a stream would be.
    const retryMs = toldMs(error) + backoffMs(isTurning ? 0 : this.#failures);
    if (isTurning) {
      this.#pollUntil = Date.now() + retryMs + this.#pollForMs;
      this.#pollForMs = Math.min(2 * this.#pollForMs, STREAM_AGAIN_MAX_MS);
    }
    const isAway = !navigator.onLine || this.#failures >= OFFLINE_AFTER;
    this.#options.onState(isAway ? "offline" : "connecting", { reason, retryMs, failures: this.#failures });
    await this.#pause(retryMs);
  }

  /** @param {number} ms */
  async #pause(ms) {
    this.#wait = new AbortController();
    await pause(ms, this.#wait.signal);
  }
}

/**
 * One request for what is after a cursor.
 * @param {import("./api.js").Api} api
 * @param {{ after: string | undefined, wait: number, topics: string | undefined, signal: AbortSignal }} request wait in seconds.
 * @returns {Promise<import("./cursor.js").Batch & { more: boolean, retryMs: number }>}
 */
export async function pollOnce(api, { after, wait, topics, signal }) {
  const query = new URLSearchParams({ wait: String(wait), ...(topics === undefined ? {} : { topics }) });
  if (after) query.set("after", after);
  const page = await api.json(`/api/events/poll?${query}`, { signal });
  return {
    from: after,
    to: String(page.next),
    events: page.events,
    more: page.more === true,
    retryMs: Number(page.retryMs) || 0,
    ...(page.reset ? { reset: String(page.reset.reason) } : {}),
  };
}

/**
 * @param {string | undefined} text
 * @returns {any}
 */
function parsed(text) {
  try {
    return JSON.parse(text ?? "null");
  } catch {
    return text;
  }
}
