/**
 * The service worker: keeps the shell of the page, so that it opens without a network. A page gets all of its files from
 * one version: the one that it was opened with, also when a new one is published while it is open. Nothing is reloaded by
 * itself; a new version is there with the next visit of each tab. It answers no request to the API, and never sees one where the browser can
 * be told so (passBy).
 */

/** Written here when the page is published. */
const VERSION = "dev";
/** Each file of this version, with its integrity. */
/** @type {Readonly<Record<string, string>>} */
const FILES = {};

const PREFIX = "omniai shell ";
/** Which open page has which version: outlives this worker, which the browser may end at any time. */
const CLIENTS = "omniai clients";
/** The page takes its files from its server. */
const FROM_SERVER = "server";
const CONFIG = "runtime-config.json";
/** What the page keeps of its subscription to alerts; js/diag/push-subscription.js writes it. */
const PUSH = "omniai push";
const PUSH_RECORD = "push";
/** How long the service may take to hear of a renewed one, and when it is told again, in ms. */
const RENEW_MS = 8000;
const RENEW_AGAIN_MS = [5000, 15_000];
/** A service that asks for more time gets it, up to so many ms: its limits are by the minute. Else it is told at the next message or visit. */
const RENEW_PATIENCE_MS = 90_000;
/** The config is of no version, so a new one starts without a network, too. */
const CONFIGS = "omniai config";
/** The browser's own cache may have files of several versions: GitHub Pages lets it keep each for ten minutes. */
/** @type {RequestInit} */
const FRESH = { cache: "no-cache" };
/** A network that takes longer than so many ms to answer is as good as none for opening the page. */
const PATIENCE_MS = 4000;
/** How long a new worker tidies up before it answers, in ms. What is left then is removed at the next time. */
const TIDY_MS = 1000;

const worker = /** @type {any} */ (globalThis);
const scope = new URL(worker.registration?.scope ?? "http://localhost/");

worker.addEventListener("install", (/** @type {any} */ event) => {
  // It serves new visits only, so nothing has to wait for the tabs that are open.
  event.waitUntil(Promise.all([keepShell(), fetchConfig(), passBy(event)]).then(() => worker.skipWaiting()));
});
worker.addEventListener("activate", (/** @type {any} */ event) =>
  // Visits wait for the end of this: tidying up must not hold them, whatever it waits for itself.
  event.waitUntil(tidyUp(AbortSignal.timeout(TIDY_MS))),
);
worker.addEventListener("fetch", (/** @type {any} */ event) => {
  const file = fileOf(event.request);
  if (file === undefined) return;
  if (event.request.mode === "navigate") event.respondWith(open(event, file));
  else if (file === CONFIG) event.respondWith(config(event.request));
  else event.respondWith(part(event, file));
});

/** What an alert is, as the service sends it. @typedef {{ title: string, body: string, tag: string, isUrgent: boolean }} Alert */

worker.addEventListener("push", (/** @type {any} */ event) =>
  event.waitUntil(Promise.all([show(alertIn(event.data)), catchUp().catch(() => undefined)])),
);
worker.addEventListener("pushsubscriptionchange", (/** @type {any} */ event) =>
  event.waitUntil(renew(event).catch(() => undefined)),
);
worker.addEventListener("notificationclick", (/** @type {any} */ event) => {
  event.notification.close();
  event.waitUntil(openDiagnostics());
});

/**
 * A browser takes the permission away from a page that shows nothing for a message, so there is always something to show.
 * @param {any} data
 * @returns {Alert}
 */
function alertIn(data) {
  const unread = { title: "OmniAI", body: "Something needs attention.", tag: "unread", isUrgent: true };
  try {
    const alert = data.json();
    return typeof alert.title === "string" && typeof alert.tag === "string" && alert.tag !== ""
      ? alert
      : unread;
  } catch {
    return unread;
  }
}

/** It takes the place of what was said of the same before. @param {Alert} alert */
const show = ({ title, body, tag, isUrgent }) =>
  worker.registration.showNotification(title, {
    body: String(body ?? ""),
    tag,
    renotify: isUrgent === true,
    requireInteraction: isUrgent === true,
    lang: "en",
  });

/**
 * The browser has renewed the subscription, or taken it away, when it liked: mostly there is no page then, and nobody is signed in. What
 * the page kept of the one before is the proof. Where that does not do, the page tells the service at its next visit.
 * @param {any} event
 */
async function renew({ newSubscription }) {
  const before = await keptIn(PUSH, PUSH_RECORD).then((response) => response?.json());
  // One that the service does not know proves nothing.
  if (!before || before.isUnknown) return;
  const { pushManager } = worker.registration;
  const options = { userVisibleOnly: true, applicationServerKey: before.publicKey };
  const subscription =
    newSubscription ?? (await pushManager.getSubscription()) ?? (await pushManager.subscribe(options));
  const { endpoint, keys } = subscription.toJSON();
  if (endpoint === before.endpoint) return;
  const body = JSON.stringify({
    ...{ endpoint, keys, publicKey: before.publicKey },
    before: { endpoint: before.endpoint, auth: before.auth },
  });
  const tell = async () => {
    const response = await fetch(new URL("/api/push/renew", before.api), {
      ...{ method: "POST", credentials: "omit", headers: { "content-type": "application/json" }, body },
      signal: AbortSignal.timeout(RENEW_MS),
    });
    // Anybody on the way may answer with another success.
    if (response.status === 204) await keepPush({ ...before, endpoint, auth: keys.auth });
    // Somebody has removed the device: the page must not take this for a subscription that it has still to tell.
    if (await isUnknown(response)) await keepPush({ ...before, isUnknown: true });
    if (response.status < 500 && response.status !== 429) return undefined;
    return 1000 * Number(response.headers.get("retry-after") ?? 0);
  };
  for (const pauseMs of [...RENEW_AGAIN_MS, undefined]) {
    const askedMs = await tell().catch(() => 0);
    if (askedMs === undefined || pauseMs === undefined || !(askedMs <= RENEW_PATIENCE_MS)) return;
    await new Promise((resolve) => setTimeout(resolve, Math.max(askedMs, pauseMs)));
  }
}

/** Tells of a renewed subscription that the service could not be told of when it was. */
async function catchUp() {
  const newSubscription = await worker.registration.pushManager.getSubscription();
  if (newSubscription) await renew({ newSubscription });
}

/** Whether the service says that it has no such device: anybody on the way may answer 404, and so does a service without web push. */
const isUnknown = (/** @type {Response} */ response) =>
  response.status === 404 &&
  response.json().then(
    ({ type }) => type === "urn:omniai:problem:device-unknown",
    () => false,
  );

/** @param {object} known */
async function keepPush(known) {
  await (await caches.open(PUSH)).put(new URL(PUSH_RECORD, scope), new Response(JSON.stringify(known)));
}

/** In the tab that shows it already, where there is one. */
async function openDiagnostics() {
  const { href } = new URL("diagnostics.html", scope);
  const pages = await worker.clients.matchAll({ type: "window", includeUncontrolled: true });
  const shown = pages.find((/** @type {any} */ { url }) => url.split(/[?#]/)[0] === href);
  return shown ? shown.focus() : worker.clients.openWindow(href);
}

/**
 * What open pages ask of the API goes past the worker where a browser can be told so (Chromium: "static routing"): a worker that is
 * woken each second never rests, and the one of the next version waits until it does.
 * @param {any} event
 */
async function passBy(event) {
  const pages = { hostname: scope.hostname, port: scope.port, pathname: `${scope.pathname}*` };
  const api = { ...pages, pathname: `${scope.pathname}api/*` };
  try {
    await event.addRoutes([
      { condition: { urlPattern: api }, source: "network" },
      { condition: { not: { urlPattern: pages } }, source: "network" },
    ]);
  } catch {
    // Then it sees them, and leaves them to the browser.
  }
}

/**
 * All files or none: one that is not what was published fails the installation, and the version before stays. What has
 * arrived is kept for the next try, so that a network which takes a few files each time takes fewer and fewer.
 */
async function keepShell() {
  const cache = await caches.open(PREFIX + VERSION);
  const tries = await Promise.allSettled(
    Object.entries(FILES).map(async ([file, integrity]) => {
      if (await cache.match(new URL(file, scope))) return;
      const response = await fetch(new URL(file, scope), { cache: "reload", integrity });
      if (!response.ok) throw new Error(`${file} answers ${response.status}`);
      await cache.put(new URL(file, scope), response);
    }),
  );
  const failed = tries.find(({ status }) => status === "rejected");
  if (failed?.status === "rejected") throw failed.reason;
}

/**
 * @param {Request} request
 * @returns {string | undefined} undefined: none of the page's.
 */
function fileOf({ method, url }) {
  const { origin, pathname } = new URL(url);
  if (method !== "GET" || origin !== scope.origin || !pathname.startsWith(scope.pathname)) return undefined;
  const file = pathname.slice(scope.pathname.length) || "index.html";
  return file === CONFIG || Object.hasOwn(FILES, file) ? file : undefined;
}

/**
 * The page's HTML. The server's word counts where it has one: what it gives now is either this version, which then comes
 * from the cache as a whole, or another one (or another page on this address), which comes from the server as a whole.
 * @param {any} event
 * @param {string} file
 */
async function open(event, file) {
  const kept = await keptFile(VERSION, file);
  if (!kept) {
    await remember(event.resultingClientId, FROM_SERVER);
    return fetch(event.request, FRESH);
  }
  let response;
  let isOurs;
  try {
    response = await fetch(event.request, { ...FRESH, signal: AbortSignal.timeout(PATIENCE_MS) });
    if (isTrouble(response)) throw new Error(`the server answers ${response.status}`);
    isOurs = response.ok && (await response.clone().text()) === (await kept.clone().text());
  } catch {
    await remember(event.resultingClientId, VERSION);
    return kept;
  }
  const isNoted = await remember(event.resultingClientId, isOurs ? VERSION : FROM_SERVER);
  return isOurs && isNoted ? kept : response;
}

/** No word of the server about the page: it has trouble, or a tunnel or proxy before it has. @param {Response} response */
const isTrouble = ({ status }) => status >= 500 || status === 429;

/**
 * @param {any} event
 * @param {string} file
 */
async function part(event, file) {
  const version = await versionOf(event.clientId).catch(() => FROM_SERVER);
  if (version === FROM_SERVER) return fetch(event.request, FRESH);
  return (await keptFile(version, file)) ?? fetch(event.request);
}

/** The newest that can be had: the one file that says where the API is. @param {Request} request */
async function config(request) {
  const kept = await keptIn(CONFIGS, CONFIG);
  let response;
  try {
    response = await fetch(request, kept ? { signal: AbortSignal.timeout(PATIENCE_MS) } : {});
    // All of it has to arrive: a network may end in the middle.
    await response.clone().text();
  } catch (error) {
    if (!kept) throw error;
    return kept;
  }
  if (kept && isTrouble(response)) return kept;
  if (response.ok) await keepConfig(response.clone()).catch(() => undefined);
  return response;
}

/** The page asks for its config before there is a worker, so the worker asks once more. Without it, it is installed as well. */
async function fetchConfig() {
  try {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const response = await fetch(new URL(CONFIG, scope), { cache: "no-store", signal });
    if (response.ok) await keepConfig(response);
  } catch {
    // The next page that asks for it will bring it.
  }
}

/** @param {Response} response */
async function keepConfig(response) {
  await (await caches.open(CONFIGS)).put(new URL(CONFIG, scope), response);
}

/**
 * @param {string} version
 * @param {string} file
 */
const keptFile = (version, file) => keptIn(PREFIX + version, file);

/**
 * A cache that fails is as good as an empty one: a full disk must not lock anybody out.
 * @param {string} name
 * @param {string} file
 */
async function keptIn(name, file) {
  try {
    return await (await caches.open(name)).match(new URL(file, scope));
  } catch {
    return undefined;
  }
}

const clientKey = (/** @type {string} */ id) => new URL(`client/${id}`, scope);

/**
 * @param {string} id
 * @param {string} version
 * @returns {Promise<boolean>} false: the cache fails, and the page will get its files from the server.
 */
async function remember(id, version) {
  try {
    if (id) await (await caches.open(CLIENTS)).put(clientKey(id), new Response(version));
    return true;
  } catch {
    return false;
  }
}

/** @param {string} id */
async function versionOf(id) {
  const known = id ? await (await caches.open(CLIENTS)).match(clientKey(id)) : undefined;
  // Pages from before there was a worker have their files already.
  return known ? known.text() : FROM_SERVER;
}

/** @param {AbortSignal} end when it has to be over */
const tidyUp = (end) =>
  Promise.race([
    forget(end),
    new Promise((resolve) => end.addEventListener("abort", resolve, { once: true })),
  ]);

/**
 * Removes versions that no open page has, and pages that are closed. Pages may be opened meanwhile: so it lists what there
 * is before it asks which pages are open, and touches nothing that came later. Nor does it go on beside visits.
 * @param {AbortSignal} end
 */
async function forget(end) {
  const names = await caches.keys();
  const clients = await caches.open(CLIENTS);
  const noted = await clients.keys();
  const open = new Set(
    (await worker.clients.matchAll({ includeUncontrolled: true })).map((/** @type {any} */ { id }) => id),
  );
  for (const request of noted) {
    if (open.has(idOf(request))) continue;
    if (end.aborted) return;
    await clients.delete(request);
  }
  const used = new Set([VERSION]);
  for (const request of await clients.keys()) used.add(await versionOf(idOf(request)));
  for (const name of names) {
    if (!name.startsWith(PREFIX) || used.has(name.slice(PREFIX.length))) continue;
    if (end.aborted) return;
    await caches.delete(name);
  }
}

const idOf = (/** @type {Request} */ { url }) => url.split("/").at(-1) ?? "";
