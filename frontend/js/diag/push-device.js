/** The device that this browser is: found again, added and ended. push.js shows what becomes of it. */
import { keysOf, recall, remember } from "../storage.js";
import { ApiError } from "../transport/api.js";
import { nameOf } from "./push-abilities.js";
import { bytesOf, hashOf, keepForWorker, keptForWorker, registered, textOf } from "./push-subscription.js";

const KEY = "omniai push";

/** @typedef {import("./push.js").Device} Device */
/** @typedef {import("./push.js").Known} Known */

/**
 * What a user of a stack decided in this browser: the hash of the endpoint that was turned on, "off", or "lost" where somebody else
 * has ended it. Stacks may have one origin (GitHub Pages), and users one browser: a decision is nobody else's.
 * @typedef {object} Decision
 * @property {string | undefined} userId
 * @property {() => string | undefined} read
 * @property {(decided: string) => void} write
 * @property {() => void} endOthers a browser has one subscription: from now on it is this user's.
 */

/**
 * @param {string} baseUrl the API's.
 * @param {string | undefined} userId
 * @returns {Decision}
 */
export function decisionOf(baseUrl, userId) {
  const stackKey = `${KEY} ${baseUrl} `;
  const key = `${stackKey}${userId}`;
  return {
    userId,
    read: () => recall("localStorage", key),
    write: (decided) => remember("localStorage", key, decided),
    endOthers: () => {
      for (const other of keysOf("localStorage", stackKey))
        if (other !== key && recall("localStorage", other) !== "off") remember("localStorage", other, "lost");
    },
  };
}

/** @param {string | undefined} decided @returns {decided is string} whether it is the hash of an endpoint. */
const isHash = (decided) => decided !== undefined && decided !== "off" && decided !== "lost";

/**
 * Pure: what a subscription is that the service does not know as its user's. The service knew the one that the user turned on here,
 * and the one that the worker has told it of since: where it knows neither any more, somebody has removed it, and it stays away.
 * @param {object} found
 * @param {string | undefined} found.decided
 * @param {string} found.hash of the endpoint that the browser has now; empty for none.
 * @param {string | undefined} found.keptHash of the one that the worker has told the service of.
 * @param {boolean} found.isUnknown whether the service has told the worker that it does not know that one.
 * @param {boolean} found.isListed whether the service knows either of those two: its list may be older than what the worker told it since.
 * @returns {"none" | "lost" | "renewed"}
 */
export function standingOf({ decided, hash, keptHash, isUnknown, isListed }) {
  if (!isHash(decided)) return "none";
  if (isListed) return "renewed";
  const wasKnown = hash !== "" && [decided, keptHash].includes(hash);
  return wasKnown || isUnknown ? "lost" : "renewed";
}

/**
 * What is asked of the browser; a test has one of its own.
 * @typedef {object} Browser
 * @property {() => boolean} isPermitted
 * @property {() => Promise<import("./push-subscription.js").Registration>} registered
 * @property {typeof keptForWorker} kept
 * @property {typeof keepForWorker} keep
 * @property {() => string} name what its user knows it by.
 */

/** @type {Browser} */
const BROWSER = {
  isPermitted: () => Notification.permission === "granted",
  registered,
  kept: keptForWorker,
  keep: keepForWorker,
  name: () => nameOf(navigator.userAgent),
};

/**
 * @param {object} page
 * @param {Pick<import("../transport/api.js").Api, "baseUrl" | "post" | "request">} page.api
 * @param {() => string | undefined} page.userId who is signed in now.
 * @param {Browser} [page.browser]
 */
export function pushDevice({ api, userId, browser = BROWSER }) {
  /**
   * This browser's own device; a subscription that is gone, or was for another key, is renewed, which asks its user nothing.
   * @param {Known} known
   * @param {Decision} decision
   * @returns {Promise<{ own?: Device | undefined, isRenewed?: boolean }>} isRenewed: the browser had another subscription than was known.
   */
  async function find(known, decision) {
    if (!browser.isPermitted()) return {};
    const registration = await browser.registered();
    const subscription = await registration.pushManager.getSubscription();
    const kept = await browser.kept(registration);
    const keptHash = kept && (await hashOf(kept.endpoint));
    const hash = subscription ? await hashOf(subscription.endpoint) : "";
    const own = known.devices.find(({ endpointHash }) => endpointHash === hash);
    // At last: another tab may turn alerts off meanwhile, which must not be undone.
    const decided = decision.read();
    if (decided === "off") return {};
    if (own?.isCurrent) {
      // Its worker may have told the service of a renewed one while no page was open.
      decision.write(hash);
      await browser.keep(registration, { api: api.baseUrl, publicKey: known.publicKey }, subscription);
      return { own };
    }
    const isOf = (/** @type {string | undefined} */ each) =>
      known.devices.some(({ endpointHash }) => endpointHash === each);
    const replaces = [keptHash, decided].find(isOf);
    if (!own) {
      const isUnknown = kept?.isUnknown === true;
      const isListed = replaces !== undefined;
      const standing = standingOf({ decided, hash, keptHash, isUnknown, isListed });
      if (standing === "lost") {
        decision.write("lost");
        await browser.keep(registration, undefined);
      }
      if (standing !== "renewed") return {};
    }
    return { own: await add(known, decision, replaces), isRenewed: subscription !== null && !own };
  }

  /**
   * @param {Known} known
   * @param {Decision} decision
   * @param {string} [listed] the hash of the endpoint that the service knows this browser by.
   * @returns {Promise<Device>}
   * @throws {Error} also where somebody else has signed in meanwhile.
   */
  async function add({ publicKey }, decision, listed) {
    const registration = await browser.registered();
    const before = await registration.pushManager.getSubscription();
    const decided = decision.read();
    const had = isHash(decided) ? decided : before ? await hashOf(before.endpoint) : undefined;
    const isSame = before && textOf(before.options.applicationServerKey ?? new ArrayBuffer(0)) === publicKey;
    if (before && !isSame) await before.unsubscribe();
    const subscription = await registration.pushManager.subscribe({
      userVisibleOnly: true,
      applicationServerKey: bytesOf(publicKey),
    });
    const endpointHash = await hashOf(subscription.endpoint);
    const { endpoint, keys } = subscription.toJSON();
    const name = browser.name();
    if (userId() !== decision.userId) throw new Error("Somebody else has signed in meanwhile.");
    const { id } = await api.post("/api/push", { endpoint, keys, publicKey, name, replaces: listed ?? had });
    decision.endOthers();
    decision.write(endpointHash);
    await browser.keep(registration, { api: api.baseUrl, publicKey }, subscription);
    const createdAt = new Date().toISOString();
    return { id, name, endpointHash, createdAt, lastSentAt: null, problem: null, isCurrent: true };
  }

  /** Also where it is gone already. @param {string} id */
  async function remove(id) {
    await api
      .request(`/api/push?id=${id}`, {
        method: "DELETE",
        signal: AbortSignal.timeout(10_000),
        expected: [404],
      })
      .catch((error) => {
        if (!(error instanceof ApiError && error.status === 404)) throw error;
      });
  }

  /**
   * Tells the service and the browser: one of them is enough, because the push service says then that the device is gone.
   * @param {Device | undefined} own
   * @param {Decision} decision
   * @throws where neither could be told: then it is as before.
   */
  async function end(own, decision) {
    const before = decision.read();
    decision.write("off");
    const unsubscribe = async () => {
      const registration = await browser.registered();
      await browser.keep(registration, undefined);
      await (await registration.pushManager.getSubscription())?.unsubscribe();
    };
    const [told, ended] = await Promise.allSettled([own && remove(own.id), unsubscribe()]);
    if (told.status === "fulfilled" || ended.status === "fulfilled") return;
    if (before !== undefined) decision.write(before);
    throw told.reason;
  }

  return { find, add, remove, end };
}
