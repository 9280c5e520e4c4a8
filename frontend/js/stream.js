/**
 * The stream of events, with one cursor, whatever happens. It streams while it can and tries again with growing, random
 * waits. When streaming fails again and again it polls, and goes back to streaming when that works.
 */
import { ApiError } from "./api.js";
import { backoffMs, pause } from "./backoff.js";
import { BlockReader } from "./sse.js";

/** Silence for longer than so many heartbeats means that the connection is dead. */
const SILENCE = 2.5;
/** How many streams in a row have to fail before it polls. */
const POLL_AFTER = 3;
/** How long it polls before it tries to stream again, in ms: at first, and at most. It doubles each time. */
const STREAM_AGAIN_MS = 5000;
const STREAM_AGAIN_MAX_MS = 60_000;
/** The longest wait of one poll, in seconds. */
const POLL_SECONDS = 25;

/** @typedef {"connecting" | "live" | "polling" | "waiting" | "offline" | "signed-out"} State */

/**
 * @typedef {object} StreamOptions
 * @property {import("./api.js").Api} api
 * @property {string} client the page's name in its reports; the service shows the stream under it, too.
 * @property {() => string | undefined} topics the topics to follow; undefined: the public ones.
 * @property {number} heartbeatSeconds
 * @property {string | undefined} cursor where to resume; undefined: begin with the next event.
 * @property {(event: { id: string, type: string, data: unknown }) => void} onEvent
 * @property {(reason: string) => void} onReset events were lost to this client for good.
 * @property {(state: State, detail: { reason?: string, retryMs?: number }) => void} onState
 * @property {(cursor: string) => void} onCursor
 * @property {() => Promise<boolean>} onUnauthorized tries to renew the login; false: a person has to log in.
 */

export class EventStream {
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
  /** Ends the request that is under way. */
  #request = new AbortController();
  /** Ends the wait that is under way. */
  #wait = new AbortController();

  /** @param {StreamOptions} options */
  constructor(options) {
    this.#options = options;
    this.#cursor = options.cursor;
  }

  /** Runs for as long as the page lives. */
  async run() {
    for (;;) {
      if (!navigator.onLine) {
        this.#options.onState("offline", {});
        // The browser may be wrong about it, so it tries now and then all the same.
        await this.#pause(30_000);
      }
      this.#isReopening = false;
      try {
        if (Date.now() < this.#pollUntil) await this.#poll();
        else {
          await this.#stream();
          this.#options.onState("waiting", {
            reason: "the service ended the stream",
            retryMs: this.#retryMs,
          });
        }
        await this.#pause(this.#retryMs);
      } catch (error) {
        if (!this.#isReopening) await this.#failed(error);
      }
    }
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
    this.#options.onState("connecting", {});
    this.#request = new AbortController();
    let watchdog = this.#watch();
    try {
      const query = new URLSearchParams({ client: this.#options.client, ...this.#topics });
      const response = await this.#options.api.request(`/api/events?${query}`, {
        headers: { accept: "text/event-stream", ...(this.#cursor ? { "last-event-id": this.#cursor } : {}) },
        signal: this.#request.signal,
      });
      // 204 means that these topics need a login; the service sends it so that an EventSource gives up.
      if (response.status === 204) throw new ApiError(401, "The session has ended.", undefined);
      if (!response.body) throw new Error("The answer has no body.");
      const blocks = new BlockReader();
      const decoder = new TextDecoder();
      const reader = response.body.getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        clearTimeout(watchdog);
        watchdog = this.#watch();
        for (const block of blocks.push(decoder.decode(value, { stream: true }))) this.#take(block);
      }
    } finally {
      clearTimeout(watchdog);
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

  /** @param {import("./sse.js").Block} block */
  #take(block) {
    if (block.retry !== undefined) this.#retryMs = block.retry;
    if (block.event === "reset") this.#options.onReset(String(parsed(block.data).reason ?? "unknown"));
    else if (block.data !== undefined && block.event !== "hb" && block.event !== "bye") {
      this.#options.onEvent({
        id: block.id ?? "",
        type: block.event,
        data: parsed(block.data),
      });
    }
    if (block.id !== undefined) this.#moveTo(block.id);
    // Only received data proves that it works: an opened stream may end at once.
    if (block.data !== undefined && block.event !== "bye") this.#succeeded("live");
  }

  async #poll() {
    this.#request = new AbortController();
    const leftSeconds = Math.ceil((this.#pollUntil - Date.now()) / 1000);
    // The first poll does not wait, to find out whether polling works; the others wait for an event.
    const wait = this.#doesPollWork ? String(Math.max(1, Math.min(POLL_SECONDS, leftSeconds))) : "0";
    const query = new URLSearchParams({ wait, ...this.#topics });
    if (this.#cursor) query.set("after", this.#cursor);
    const signal = AbortSignal.any([this.#request.signal, AbortSignal.timeout(40_000)]);
    const page = await (await this.#options.api.request(`/api/events/poll?${query}`, { signal })).json();
    this.#lastHeard = Date.now();
    if (page.reset) this.#options.onReset(String(page.reset.reason));
    for (const event of page.events) this.#options.onEvent(event);
    this.#moveTo(page.next);
    this.#retryMs = Number(page.retryMs) || 0;
    this.#doesPollWork = true;
    this.#succeeded("polling");
  }

  /** @param {string} cursor */
  #moveTo(cursor) {
    this.#cursor = cursor;
    this.#options.onCursor(cursor);
  }

  /** @param {State} state */
  #succeeded(state) {
    this.#failures = 0;
    if (state === "live") this.#pollForMs = STREAM_AGAIN_MS;
    this.#options.onState(state, {});
  }

  /** @param {unknown} error */
  async #failed(error) {
    const reason = error instanceof Error ? error.message : String(error);
    if (error instanceof ApiError && error.status === 401 && !(await this.#options.onUnauthorized())) {
      this.#options.onState("signed-out", { reason });
      return this.#pause(2 ** 31 - 1);
    }
    this.#failures += 1;
    // When no stream got through the last time either, one more failure is enough.
    const patience = this.#pollForMs > STREAM_AGAIN_MS ? 1 : POLL_AFTER;
    const isTurning = this.#failures >= patience && Date.now() >= this.#pollUntil;
    const told = error instanceof ApiError ? (error.retryAfterMs ?? 0) : 0;
    // Polling is another way, so it is tried earlier than a stream would be.
    const retryMs = told + backoffMs(isTurning ? 0 : this.#failures);
    if (isTurning) {
      this.#doesPollWork = false;
      this.#pollUntil = Date.now() + retryMs + this.#pollForMs;
      this.#pollForMs = Math.min(2 * this.#pollForMs, STREAM_AGAIN_MAX_MS);
    }
    this.#options.onState(navigator.onLine ? "waiting" : "offline", { reason, retryMs });
    await this.#pause(retryMs);
  }

  /** @param {number} ms */
  async #pause(ms) {
    this.#wait = new AbortController();
    await pause(ms, this.#wait.signal);
  }
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
