/** The page: reads which stack it belongs to, then shows the stack's health and its events. */
import { Api, ApiError } from "./js/api.js";
import { Auth } from "./js/auth.js";
import { loadConfig, restrictConnections } from "./js/config.js";
import { Reporter } from "./js/reporter.js";
import { EventStream } from "./js/stream.js";
import * as view from "./js/view.js";

/** How often the page asks for health and diagnostics while it is visible, in ms. */
const ASK_EVERY_MS = 10_000;
/** How long the news of a recovery stays, in ms. */
const GOOD_NEWS_MS = 8000;
const SETTLE_MS = 700;

async function main() {
  const config = await loadConfig();
  restrictConnections(config.apiBaseUrl);
  view.showStack(config.stack);
  const api = new Api(config.apiBaseUrl);
  const auth = new Auth(api);
  const reporter = new Reporter(api);
  reporter.start();
  const outage = new Outage();
  const stream = createStream(config, api, auth, reporter, outage);
  connectForms(api, auth, stream);

  const ask = () => askHow(api, auth, reporter);
  await auth.check().catch(() => undefined);
  view.showAuth(auth);
  void ask();
  setInterval(() => {
    if (document.visibilityState === "visible") void ask();
  }, ASK_EVERY_MS);
  const lookAgain = () => {
    if (document.visibilityState === "hidden") return;
    stream.wake();
    void ask();
  };
  document.addEventListener("visibilitychange", lookAgain);
  addEventListener("online", lookAgain);
  addEventListener("pageshow", lookAgain);
  addEventListener("offline", () => stream.drop());
  void stream.run();
}

/** Shows health and diagnostics. */
async function askHow(/** @type {Api} */ api, /** @type {Auth} */ auth, /** @type {Reporter} */ reporter) {
  try {
    const asked = performance.now();
    const summary = await api.get("/api/diag/health-summary");
    reporter.answered(performance.now() - asked);
    view.showSummary(summary);
    view.showDiag(await api.get("/api/diag"));
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) {
      await auth.check().catch(() => undefined);
      view.showAuth(auth);
    } else if (navigator.onLine) view.showUnreachable();
  }
}

/** Measures how long the connection was away, and counts what came afterwards. */
class Outage {
  /** @type {number | undefined} */
  #since;
  #caughtUp = 0;
  #awayMs = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #settling;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  get isOn() {
    return this.#since !== undefined;
  }

  /** @param {string} text */
  begin(text) {
    clearTimeout(this.#timer);
    clearTimeout(this.#settling);
    this.#settling = undefined;
    this.#since ??= Date.now();
    view.showNotice(text, "bad");
  }

  count() {
    if (this.isOn) this.#caughtUp += 1;
  }

  /** Missed events come within moments of the connection, so the news of the recovery waits for them. */
  end() {
    if (this.#since === undefined || this.#settling !== undefined) return;
    this.#awayMs = Date.now() - this.#since;
    this.#settling = setTimeout(() => this.#announce(), SETTLE_MS);
  }

  #announce() {
    const away = view.span(this.#awayMs / 1000);
    const more =
      this.#caughtUp === 0 ? "nothing was missed" : `${this.#caughtUp} caught up, nothing was missed`;
    view.showNotice(`Back after ${away}: ${more}.`, "good");
    this.#since = undefined;
    this.#settling = undefined;
    this.#caughtUp = 0;
    this.#timer = setTimeout(() => view.showNotice(undefined), GOOD_NEWS_MS);
  }
}

/**
 * @param {import("./js/config.js").RuntimeConfig} config
 * @param {Api} api
 * @param {Auth} auth
 * @param {Reporter} reporter
 * @param {Outage} outage
 */
function createStream(config, api, auth, reporter, outage) {
  const key = `cursor ${config.apiBaseUrl}`;
  return new EventStream({
    api,
    client: reporter.client,
    topics: () => auth.topics,
    heartbeatSeconds: config.heartbeatSeconds,
    cursor: sessionStorage.getItem(key) ?? undefined,
    onCursor: (cursor) => sessionStorage.setItem(key, cursor),
    onEvent: (event) => {
      outage.count();
      // Events that are late because the connection was away say nothing about how fast the connection is.
      if (!outage.isOn) reporter.arrived(event.id);
      view.addEvent(event);
    },
    onReset: view.addGap,
    onUnauthorized: async () => {
      if (await auth.renew()) return true;
      const wasSignedIn = auth.state.authenticated;
      await auth.check().catch(() => undefined);
      view.showAuth(auth);
      // Public events go on without a session.
      return wasSignedIn;
    },
    onState: (state, { reason, retryMs }) => {
      view.showConnection(state);
      if (state === "live" || state === "polling") outage.end();
      else if (state === "offline") {
        outage.begin("This device is offline. Events come when it is back.");
        view.showUnreachable("Not known while this device is offline.");
      } else if (state === "waiting" && reason !== "the service ended the stream") {
        reporter.lost(reason);
        const seconds = Math.max(1, Math.round((retryMs ?? 0) / 1000));
        outage.begin(
          `The service cannot be reached. Trying again in ${seconds} s; events come when it is back.`,
        );
      }
    },
  });
}

/**
 * @param {Api} api
 * @param {Auth} auth
 * @param {EventStream} stream
 */
function connectForms(api, auth, stream) {
  view.onSubmit("login-form", async ({ username = "", password = "" }, form) => {
    view.showLoginError(undefined);
    try {
      await auth.login(username, password);
      form.reset();
      if (auth.isNeeded)
        view.showLoginError("Signed in, but this browser does not keep the service's cookie.");
    } catch (error) {
      view.showLoginError(error instanceof ApiError ? error.message : "The service cannot be reached.");
    }
    view.showAuth(auth);
    stream.reopen();
  });
  view.onLogout(async () => {
    await auth.logout();
    view.showAuth(auth);
    stream.reopen();
  });
  view.onSubmit("send", async ({ type = "", data = "" }) => {
    view.showSent(await send(api, type, data));
  });
}

/**
 * @param {Api} api
 * @param {string} type
 * @param {string} text
 * @returns {Promise<string>} the result, for the person.
 */
async function send(api, type, text) {
  let data;
  try {
    data = JSON.parse(text);
  } catch {
    return 'The data is not JSON. A text needs quotes: "hello".';
  }
  // The same key for every attempt: an event whose answer was lost is not stored twice.
  const headers = { "idempotency-key": crypto.randomUUID() };
  for (let attempt = 1; ; attempt += 1) {
    try {
      const { id } = await api.post("/api/events", { type, data }, headers);
      return `On disk as ${id}.`;
    } catch (error) {
      const isFinal = error instanceof ApiError && error.status < 500 && error.status !== 429;
      if (isFinal || attempt === 3) {
        return error instanceof ApiError ? error.message : "Not sent: the service cannot be reached.";
      }
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 1000 * attempt));
    }
  }
}

main().catch((error) => {
  view.showConnection("offline");
  view.showNotice(`This page cannot start: ${error instanceof Error ? error.message : error}`, "bad");
});
