/** "Test everything": each way from this page to the service, one after the other, and what to do where one is closed. */
import { ApiError } from "../transport/api.js";
import { isReplaced, isTooOld, PAGE_LEVEL, PAGE_VERSION } from "../version.js";

/** @typedef {{ status: "pass" | "warn" | "fail" | "skip", text: string, todo?: string }} Result */
/** @typedef {{ name: string, run: (at: Place) => Promise<Result>, isAlone?: boolean }} Check isAlone: it tells something also where the service does not answer. */
/** @typedef {{ connection: import("../transport/connection-manager.js").ConnectionManager, config: import("../config.js").RuntimeConfig }} Place */

const SECONDS = 8;
/** A first part of a stream that takes longer was held back by something between, in ms. */
const BUFFERED_MS = 3000;
const CLOCK_MS = 30_000;

const limit = () => AbortSignal.timeout(SECONDS * 1000);
const pass = (/** @type {string} */ text) => /** @type {Result} */ ({ status: "pass", text });
const warn = (/** @type {string} */ text, /** @type {string} */ todo) =>
  /** @type {Result} */ ({ status: "warn", text, todo });
const fail = (/** @type {string} */ text, /** @type {string} */ todo) =>
  /** @type {Result} */ ({ status: "fail", text, todo });
const skip = (/** @type {string} */ text) => /** @type {Result} */ ({ status: "skip", text });
const since = (/** @type {number} */ begun) => `${Math.round(performance.now() - begun)} ms`;

const SERVICE = "The service answers";

/**
 * Runs all of them, one after the other.
 * @param {Place} place
 * @param {(name: string) => (result: Result) => void} begin is told of each before it runs, and gives what takes its result.
 */
export async function runChecks(place, begin) {
  let isAway = false;
  for (const { name, run, isAlone } of CHECKS) {
    const end = begin(name);
    /** @type {Result} */
    const result =
      isAway && !isAlone
        ? skip("Not tried: there is no answer.")
        : await run(place).catch((error) => unreachable(error));
    isAway ||= name === SERVICE && result.status === "fail";
    end(result);
  }
}

const POLLS_TODO =
  "Where streams do not get through either, no events arrive. Let a proxy between pass /api/events/poll and its query; npm run logs -- edge shows whether it arrives.";

/** @type {readonly Check[]} */
const CHECKS = [
  {
    name: "This device's network",
    isAlone: true,
    run: async () =>
      navigator.onLine
        ? pass("The browser says that it is online.")
        : fail("The browser says that it is offline.", "Connect to a network."),
  },
  { name: "The page's own server", run: ownServer, isAlone: true },
  { name: SERVICE, run: reachable, isAlone: true },
  { name: "CORS: the service lets this page read", run: cors },
  { name: "The version of this page", run: version },
  { name: "The service is ready", run: ready },
  { name: "Diagnostics", run: endpoint("/api/diag") },
  { name: "Connections", run: endpoint("/api/diag/connections") },
  { name: "API description", run: endpoint("/api/openapi.json") },
  { name: "Login", run: login },
  { name: "Cookies", run: cookies },
  { name: "CSRF token", run: csrf },
  { name: "Event stream", run: stream },
  { name: "Polling", run: endpoint("/api/events/poll", POLLS_TODO) },
  { name: "Clock", run: clock },
  {
    name: "Sharing between tabs",
    isAlone: true,
    run: sharing,
  },
];

/** @returns {Promise<Result>} */
async function sharing() {
  const each = "Each tab has a connection of its own.";
  if (!navigator.locks || !globalThis.BroadcastChannel)
    return warn(each, "Open the page by https or on localhost: the browser allows it only there.");
  try {
    await navigator.locks.request("omniai check", () => undefined);
    new BroadcastChannel("omniai check").close();
  } catch {
    return warn(each, "Allow this site to keep data: the browser refuses tabs to find each other else.");
  }
  return pass("Web Locks and BroadcastChannel are there.");
}

/** @returns {Promise<Result>} */
async function ownServer() {
  const begun = performance.now();
  const response = await fetch("runtime-config.json", { cache: "no-store", signal: limit() });
  if (!response.ok)
    return fail(
      `runtime-config.json answers ${response.status}.`,
      "Publish the page again: npm run up, or npm run pages -- build.",
    );
  return pass(`runtime-config.json in ${since(begun)}.`);
}

/** @param {Place} place @returns {Promise<Result>} */
async function reachable({ config }) {
  const begun = performance.now();
  try {
    // Without CORS: whether anything answers at all.
    await fetch(`${config.apiBaseUrl}/healthz`, { mode: "no-cors", cache: "no-store", signal: limit() });
    return pass(`${config.apiBaseUrl} in ${since(begun)}.`);
  } catch {
    return fail(
      `${config.apiBaseUrl} does not answer.`,
      location.protocol === "https:" || config.apiBaseUrl.startsWith("https:")
        ? "Open that address in a tab: a certificate that the browser does not trust, a firewall or a stopped service shows itself there. npm run status says whether it runs."
        : "npm run status says whether it runs, and on which port.",
    );
  }
}

/** @param {Place} place @returns {Promise<Result>} */
async function cors({ config }) {
  if (config.apiBaseUrl === location.origin)
    return pass("Page and service share their origin: nothing has to be allowed.");
  try {
    await fetch(`${config.apiBaseUrl}/healthz`, {
      credentials: "include",
      cache: "no-store",
      signal: limit(),
    });
    return pass(`${location.origin} is allowed.`);
  } catch {
    return fail(
      `The service does not allow ${location.origin}.`,
      "Add exactly this origin to omniai:corsOrigins of the stack, then npm run up. If the test before failed too, that comes first.",
    );
  }
}

/** @param {Place} place @returns {Promise<Result>} */
async function ready({ connection }) {
  try {
    await connection.api.request("/readyz", { signal: limit(), isTrial: true });
    return pass("It takes requests.");
  } catch (error) {
    return error instanceof ApiError
      ? fail("It answers that it is not ready.", "The verdict above has the reasons.")
      : unreachable(error);
  }
}

/**
 * @param {string} path
 * @param {string} [todo] what to do where it does not answer, in the place of what is so for any path.
 * @returns {Check["run"]}
 */
function endpoint(path, todo) {
  return async ({ connection }) => {
    const begun = performance.now();
    try {
      await connection.api.json(path, { signal: limit(), isTrial: true });
      return pass(`${path} in ${since(begun)}.`);
    } catch (error) {
      return error instanceof ApiError
        ? fail(
            `${path} answers ${error.status}: ${error.message}`,
            todo ?? "npm run logs shows the request by its id.",
          )
        : { ...unreachable(error), ...(todo === undefined ? {} : { todo }) };
    }
  };
}

/** @param {Place} place @returns {Promise<Result>} */
async function login({ connection }) {
  try {
    const { mode, authenticated, name } = await connection.session.check();
    if (mode === "none") return pass("This stack needs no login.");
    return authenticated
      ? pass(`Signed in as ${name}, mode ${mode}.`)
      : skip(`Mode ${mode}; nobody is signed in here. Public parts are open.`);
  } catch (error) {
    return unreachable(error);
  }
}

/** @param {Place} place @returns {Promise<Result>} */
async function cookies({ connection, config }) {
  const { state, isCookieLost } = connection.session;
  if (state.mode !== "session" && state.mode !== "both") return skip("This stack sets no cookies.");
  if (!navigator.cookieEnabled)
    return fail("The browser keeps no cookies.", "Allow them for this page, or use tokens (authMode both).");
  const lost = `The browser did not keep the cookie of ${new URL(config.apiBaseUrl).host}.`;
  const todo =
    "Browsers refuse those of other sites, and proxies may take them away. Give page and service names of one domain (pagesDomain), or serve the page at the edge (pageAt: edge).";
  if (state.authenticated && connection.api.credentials.accessToken)
    return warn(`${lost} It goes on with tokens.`, todo);
  if (state.authenticated) return pass("The session's cookie is kept and sent.");
  return isCookieLost
    ? fail(`${lost} So the login was forgotten at once.`, `${todo} authMode both would go on with tokens.`)
    : skip("Sign in to test them.");
}

/** @param {Place} place @returns {Promise<Result>} */
async function csrf({ connection }) {
  const { state } = connection.session;
  if (!state.authenticated || connection.api.credentials.accessToken)
    return skip("Only sessions with a cookie need one.");
  try {
    await connection.api.json("/api/auth/csrf", { signal: limit(), isTrial: true });
  } catch (error) {
    return error instanceof ApiError ? fail(error.message, "Sign out and in again.") : unreachable(error);
  }
  try {
    // An event with nothing in it: the service looks at the token first, and takes no such event.
    await connection.api.request("/api/events", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: "{}",
      signal: limit(),
      isTrial: true,
    });
  } catch (error) {
    if (!(error instanceof ApiError)) return unreachable(error);
    if (error.type === "csrf-token-invalid")
      return fail(
        "The service refuses the token that it has just given.",
        "A proxy between takes the header X-CSRF-Token away: let it pass. Else sign out and in again.",
      );
    if (error.type === "invalid-event") return pass("The service gives one for this session, and takes it.");
    // Refusals of the service have a type, and what is only busy or away has no say in it.
    return error.type !== "" || error.status === 429 || error.status >= 500
      ? skip(`It cannot be tried now: ${error.message}`)
      : fail(`Something answers ${error.status} in the place of the service.`, PASS_EVENTS);
  }
  return fail("Something takes an event with nothing in it, in the place of the service.", PASS_EVENTS);
}

const PASS_EVENTS =
  "Let a proxy between pass POST /api/events; npm run logs -- edge shows whether it arrives.";

const UNBUFFERED =
  "In nginx: proxy_buffering off; for others, let text/event-stream pass at once. Polling works meanwhile.";

/** @param {Place} place @returns {Promise<Result>} */
async function stream({ connection, config }) {
  if (!config.features.stream) return skip("This page only polls (omniai:pageWithout).");
  const begun = performance.now();
  let isOpen = false;
  const ended = new AbortController();
  const timer = setTimeout(() => ended.abort(), SECONDS * 1000);
  try {
    const response = await connection.api.request("/api/events", {
      headers: { accept: "text/event-stream" },
      signal: ended.signal,
      isTrial: true,
    });
    isOpen = true;
    const type = response.headers.get("content-type") ?? "no type";
    if (!type.startsWith("text/event-stream"))
      return fail(
        `Something answers with ${type}.`,
        "A captive portal or a proxy answers in the place of the service.",
      );
    const opened = performance.now();
    await response.body?.getReader().read();
    const held = performance.now() - opened;
    if (held > BUFFERED_MS)
      return warn(
        `The first part came ${Math.round(held)} ms after the headers: something holds it back.`,
        `A proxy buffers. ${UNBUFFERED}`,
      );
    return pass(`Opened, and its first part is here after ${since(begun)}.`);
  } catch (error) {
    if (ended.signal.aborted)
      return fail(
        isOpen ? "It opens, but nothing comes through." : `It does not open within ${SECONDS} s.`,
        `A proxy buffers streams until they end. ${UNBUFFERED}`,
      );
    return error instanceof ApiError
      ? fail(error.message, "The number of streams may be used up: Connections shows them.")
      : unreachable(error);
  } finally {
    clearTimeout(timer);
    ended.abort();
  }
}

/** @param {Place} place @returns {Promise<Result>} */
async function version({ connection, config }) {
  const { pageLevel } = await connection.api.json("/api/diag/health-summary", {
    signal: limit(),
    isTrial: true,
  });
  const { pageVersion } = config;
  if (isTooOld(pageLevel))
    return fail(
      `The service wants pages of level ${pageLevel}; this one is of level ${PAGE_LEVEL}.`,
      "Reload it. If that does not help, publish it again: npm run up, or npm run pages -- build.",
    );
  if (isReplaced(pageVersion))
    return warn(`This is ${PAGE_VERSION}; ${pageVersion} has been published since.`, "Reload it.");
  return pass(`${PAGE_VERSION}, and the service can go along with it.`);
}

/** @param {Place} place @returns {Promise<Result>} */
async function clock({ connection }) {
  const { skewMs, history } = await connection.measure();
  if (skewMs === undefined || history.at(-1)?.rttMs === null)
    return skip("The service did not tell its time.");
  const seconds = Math.round(skewMs / 1000);
  if (Math.abs(skewMs) < CLOCK_MS)
    return pass(`Within ${Math.max(1, Math.abs(seconds))} s of the service's.`);
  return warn(
    `${Math.abs(seconds)} s ${seconds > 0 ? "ahead of" : "behind"} the service's.`,
    "Let this device, or the host of the service, set its clock by itself (NTP).",
  );
}

/** @param {unknown} error @returns {Result} */
function unreachable(error) {
  const isLate = error instanceof DOMException && error.name === "TimeoutError";
  const text = error instanceof Error ? error.message : String(error);
  return fail(
    isLate ? `There was no answer within ${SECONDS} s.` : text,
    "The tests above say where the way is closed.",
  );
}
