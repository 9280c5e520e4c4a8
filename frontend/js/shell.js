/** What every page of ours does: reads its config, says why it cannot start, keeps itself for times without a network. */
import { ConfigError, loadConfig, restrictConnections } from "./config.js";
import { at, element, hideDiagnostics, span, write } from "./dom.js";
import { recall, remember } from "./storage.js";
import { isReplaced, isTooOld } from "./version.js";
import { showConnection, showLasting, showStack } from "./view.js";

/** How long a page that cannot start waits before it looks again, in ms: at first, and at most. It doubles each time. */
const FIRST_TRY_MS = 2000;
const LAST_TRY_MS = 60_000;

/** @typedef {import("./config.js").RuntimeConfig} RuntimeConfig */

/** @returns {Promise<RuntimeConfig>} @throws {ConfigError} */
export async function openShell() {
  const config = await loadConfig();
  restrictConnections(config.apiBaseUrl);
  showStack(config.stack);
  noteVersion(config);
  void (config.features.offline ? keepShell() : dropShell()).catch(() => undefined);
  return config;
}

/** @param {RuntimeConfig} config */
function noteVersion({ pageVersion }) {
  if (!isReplaced(pageVersion)) return;
  const text = "A newer version of this page has been published. It is there after a reload.";
  showLasting("version", text, "warn", reloadButton());
}

/**
 * Says that the service has gone on without this page, which may show something wrong from now on.
 * @param {any} summary the answer of /api/diag/health-summary; an older service tells no level.
 */
export function noteLevel({ pageLevel }) {
  const isOld = isTooOld(pageLevel);
  const text =
    "This page is older than the service wants, and may show something wrong. Reload it; if this stays, publish it again: npm run up, or npm run pages -- build.";
  showLasting("level", isOld ? text : undefined, "bad", isOld ? reloadButton() : undefined);
}

function reloadButton() {
  const button = element("button", "Reload", { type: "button", class: "quiet" });
  button.addEventListener("click", () => location.reload());
  return button;
}

/** When a page asks once more for a worker whose files did not all arrive, in ms: a network may change at any time. */
const AGAIN_MS = [5000, 30_000, 120_000];

/** A service worker needs https or the own machine; without it the page works as well, but not without a network. */
async function keepShell() {
  const container = workers();
  if (!container) return;
  for (const ms of [...AGAIN_MS, 0]) {
    if (await bringWorker(container).catch(() => false)) return;
    await new Promise((resolve) => setTimeout(resolve, ms));
  }
}

/** @param {ServiceWorkerContainer} container @returns {Promise<boolean>} whether the newest version's worker is installed */
async function bringWorker(container) {
  const registration = await container.register("sw.js", { updateViaCache: "none" });
  // The browser looks for a new one by itself only when the worker rests, which it never does while many tabs ask for something.
  if (registration.active) await registration.update();
  return isInstalled(registration.installing ?? registration.waiting ?? registration.active);
}

/** @param {ServiceWorker | null} worker @returns {Promise<boolean>} false when it was given up */
const isInstalled = (worker) =>
  new Promise((resolve) => {
    if (!worker) return resolve(false);
    const look = () => {
      if (worker.state === "installing") return;
      worker.removeEventListener("statechange", look);
      resolve(worker.state !== "redundant");
    };
    worker.addEventListener("statechange", look);
    look();
  });

/** What the worker keeps has these names in the browser's caches. */
const KEPT = /^omniai (shell .*|config|clients|push)$/;

/**
 * A page that goes without its shell takes away what was kept of it before. Another page on this origin may keep the same names: only
 * what lies below this page's folder goes.
 */
async function dropShell() {
  const container = workers();
  if (!container) return;
  const { href: scope } = new URL("./", location.href);
  const registration = await container.getRegistration();
  if (registration?.scope === scope) await registration.unregister();
  for (const name of (await caches.keys()).filter((each) => KEPT.test(each))) {
    const cache = await caches.open(name);
    const requests = await cache.keys();
    const own = requests.filter(({ url }) => url.startsWith(scope));
    await Promise.all(own.map((request) => cache.delete(request)));
    if (own.length === requests.length) await caches.delete(name);
  }
}

/** Where storage is blocked, the very name may throw. */
function workers() {
  try {
    return navigator.serviceWorker;
  } catch {
    return undefined;
  }
}

/** Says that the page cannot start, why, and what to do. @param {unknown} error */
export function showFailure(error) {
  const text = error instanceof Error ? error.message : String(error);
  const todo = error instanceof ConfigError ? error.todo : "";
  showNothingBut("fail", "This page cannot start.", text, todo);
  if (error instanceof ConfigError) startLater(FIRST_TRY_MS);
}

/** Says that this stack does not have the page, and why. */
export function showClosed() {
  const todo = "The status page says how the service is.";
  const why = "The stack's omniai:pageWithout names diagnostics. Without that, npm run up brings them back.";
  showNothingBut("unknown", "Diagnostics are turned off here.", why, todo);
  hideDiagnostics();
}

/**
 * @param {"fail" | "unknown"} status
 * @param {string} verdict
 * @param {string} text why.
 * @param {string} todo
 */
function showNothingBut(status, verdict, text, todo) {
  showConnection({ state: "stopped" });
  write("connection-text", "Not started");
  at("health").dataset["status"] = status;
  write("verdict", verdict);
  const reasons = at("reasons");
  const reason = element("li", text, { "data-status": status });
  if (todo !== "") reason.append(element("small", ` ${todo}`));
  reasons.replaceChildren(reason);
  reasons.hidden = false;
  document.body.dataset["failed"] = "";
}

/**
 * A config that cannot be had now may be there later: the network is back, somebody has signed in to it, or published.
 * @param {number} ms about how long to wait.
 */
function startLater(ms) {
  const again = () =>
    loadConfig().then(
      () => location.reload(),
      () => startLater(Math.min(LAST_TRY_MS, 2 * ms)),
    );
  setTimeout(() => void again(), ms * (0.5 + Math.random()));
}

/** @param {RuntimeConfig} config */
const lastKey = ({ apiBaseUrl }) => `omniai last ${apiBaseUrl}`;

/**
 * Keeps the last verdict for a visit without a network.
 * @param {RuntimeConfig} config
 * @param {any} summary
 */
export function keepLast(config, summary) {
  const last = JSON.stringify({ at: Date.now(), verdict: summary.verdict });
  remember("localStorage", lastKey(config), last);
}

/**
 * @param {RuntimeConfig} config
 * @returns {string} what was known last, with its age; empty when nothing was.
 */
export function lastKnown(config) {
  try {
    const { at: when, verdict } = JSON.parse(recall("localStorage", lastKey(config)) ?? "null") ?? {};
    if (typeof when !== "number") return "";
    return `${span((Date.now() - when) / 1000)} ago it was: ${String(verdict)}`;
  } catch {
    return "";
  }
}

/** What omniai:authMode means. @type {Readonly<Record<string, string>>} */
const LOGINS = {
  none: "no logins (omniai:authMode none)",
  session: "logins by cookie (omniai:authMode session)",
  token: "logins by token (omniai:authMode token)",
  both: "logins by cookie or token (omniai:authMode both)",
};

/**
 * Says where the service is another one than the page was published for. A page whose config names an API of another stack
 * shows that, not a health that is not its own.
 * @param {RuntimeConfig} config
 * @param {any} diag the answer of /api/diag.
 * @returns {boolean} whether all is as the page was published for.
 */
export function noteService(config, { stack, auth }) {
  const isForeign = stack !== config.stack;
  showLasting(
    "stack",
    isForeign
      ? `This page belongs to stack ${config.stack}, but ${config.apiBaseUrl} is stack ${stack}. Publish the page of that stack, or correct its runtime-config.json.`
      : undefined,
    "bad",
  );
  const { authMode } = config;
  const isOtherMode = !isForeign && authMode !== undefined && authMode !== auth.mode;
  showLasting(
    "auth",
    isOtherMode
      ? `This page was published for ${LOGINS[authMode]}, but the service has ${LOGINS[auth.mode] ?? `authMode ${auth.mode}`} now. Publish the page again: npm run up.`
      : undefined,
  );
  return !isForeign && !isOtherMode;
}
