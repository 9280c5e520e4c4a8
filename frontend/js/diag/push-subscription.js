/** What the browser has subscribed, and what the page's service worker has to know of it. */

/** How long the service worker may take to be there, in ms. */
const WORKER_MS = 10_000;
/** Where the worker finds it: the cache and the name in it are sw.js's as well. */
const KEPT = "omniai push";
const RECORD = "push";

/**
 * What is needed of the browser's PushSubscription.
 * @typedef {object} Subscription
 * @property {string} endpoint
 * @property {{ applicationServerKey?: ArrayBuffer | null }} options
 * @property {() => { endpoint?: string, keys?: Record<string, string> }} toJSON
 * @property {() => Promise<boolean>} unsubscribe
 */

/**
 * What is needed of the worker's ServiceWorkerRegistration.
 * @typedef {object} Registration
 * @property {string} scope
 * @property {PushManagerPart} pushManager
 *
 * @typedef {object} PushManagerPart
 * @property {() => Promise<Subscription | null>} getSubscription
 * @property {(options: { userVisibleOnly: boolean, applicationServerKey: Uint8Array<ArrayBuffer> }) => Promise<Subscription>} subscribe
 */

/** @param {string} text base64url */
export const bytesOf = (text) =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (character) =>
    character.charCodeAt(0),
  );

/** @param {ArrayBuffer} buffer */
export const textOf = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replace(/=+$/, "");

/** @param {string} endpoint @returns {Promise<string>} as the service names it */
export const hashOf = async (endpoint) =>
  textOf(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(endpoint)));

/** The page's service worker did not come in its time; it may come later. */
export class WorkerLate extends Error {
  constructor() {
    super("The page's service worker is not there yet. Where it stays so, load the page anew.");
    this.name = "WorkerLate";
  }
}

/** @returns {Promise<Registration>} @throws {WorkerLate} */
export function registered() {
  const late = new Promise((_resolve, reject) => void setTimeout(() => reject(new WorkerLate()), WORKER_MS));
  return Promise.race([navigator.serviceWorker.ready, late]);
}

/**
 * What the worker tells the service with, when the browser has renewed the subscription and no page is open.
 * @typedef {object} Kept
 * @property {string} api the API's origin.
 * @property {string} publicKey what the browser subscribed with.
 * @property {string} endpoint
 * @property {string | undefined} auth the secret that the push service does not know.
 * @property {boolean} [isUnknown] the worker's: the service has told it that it knows no such device.
 */

/**
 * @param {Pick<Registration, "scope">} registration
 * @param {Omit<Kept, "endpoint" | "auth"> | undefined} known undefined: alerts are off or ended, and the worker forgets what it could tell with.
 * @param {Pick<Subscription, "endpoint" | "toJSON"> | null} [subscription]
 * @returns {Promise<void>}
 */
export async function keepForWorker(registration, known, subscription) {
  try {
    const cache = await caches.open(KEPT);
    const url = new URL(RECORD, registration.scope);
    if (!known || !subscription) return void (await cache.delete(url));
    const { endpoint } = subscription;
    /** @type {Kept} */
    const kept = { ...known, endpoint, auth: subscription.toJSON().keys?.["auth"] };
    await cache.put(url, new Response(JSON.stringify(kept)));
  } catch {
    // Without it the page tells the service at its next visit.
  }
}

/** @param {Pick<Registration, "scope">} registration @returns {Promise<Kept | undefined>} undefined: nothing is kept, or cannot be read. */
export async function keptForWorker(registration) {
  try {
    const cache = await caches.open(KEPT);
    return await (await cache.match(new URL(RECORD, registration.scope)))?.json();
  } catch {
    return undefined;
  }
}
