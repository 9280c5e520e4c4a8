/**
 * Alerts on this device: whether it gets them, and what its user can do about it. The browser is asked for its permission only
 * when somebody turns them on. Loaded only where the stack has web push.
 */
import { at, element, span, write, writeStatus } from "../dom.js";
import { oneAtATime } from "../one-at-a-time.js";
import { recall, remember } from "../storage.js";
import { ApiError } from "../transport/api.js";

/**
 * What a user of a stack decided in this browser: the hash of the endpoint that was turned on, or "off". Stacks may have one
 * origin (GitHub Pages), and users one browser: a decision is nobody else's.
 */
const KEY = "omniai push";
/** How long the service worker may take to be there, in ms. */
const WORKER_MS = 10_000;

/**
 * What of a browser decides whether it can.
 * @typedef {object} Abilities
 * @property {boolean} isSecure by https, or on the own machine.
 * @property {boolean} hasPush it has service workers, PushManager and Notification.
 * @property {boolean} isApplePhone an iPhone or iPad, whatever browser it says it is.
 * @property {boolean} isInstalled opened from the home screen.
 */

/** @typedef {{ id: string, name: string, endpointHash: string, createdAt: string, lastSentAt: string | null, problem: string | null, isCurrent: boolean }} Device */
/** @typedef {{ publicKey: string, devices: readonly Device[] }} Known what the service says. */
/** @typedef {"unsupported" | "denied" | "unknown" | "off" | "on"} State */

/**
 * Pure: why this browser cannot, and what to do; undefined: it can.
 * @param {Abilities} abilities
 */
export function whyNot({ isSecure, hasPush, isApplePhone, isInstalled }) {
  if (!isSecure) return "Browsers take alerts only for pages that come by https. Open this page by https.";
  if (hasPush) return undefined;
  return isApplePhone && !isInstalled
    ? "On an iPhone or iPad only an installed page gets alerts (iOS 16.4 or newer). Tap Share, then Add to Home Screen, open OmniAI from there and sign in."
    : "This browser cannot show alerts of a page. Use a current Chrome, Edge, Firefox or Safari, and no private window.";
}

/** @returns {Abilities} */
function abilities() {
  const { userAgent, maxTouchPoints } = navigator;
  return {
    isSecure: isSecureContext,
    hasPush: hasWorkers() && "PushManager" in globalThis && "Notification" in globalThis,
    // An iPad says that it is a Mac, which has no touch screen.
    isApplePhone: /iPhone|iPad|iPod/.test(userAgent) || (/Macintosh/.test(userAgent) && maxTouchPoints > 1),
    isInstalled: matchMedia("(display-mode: standalone)").matches,
  };
}

/** Where storage is blocked, the very name may throw. */
function hasWorkers() {
  try {
    return navigator.serviceWorker !== undefined;
  } catch {
    return false;
  }
}

/** The first that is found counts: Edge says that it is Chrome and Safari, too, and Android that it is Linux. */
/** @type {readonly [RegExp, string][]} */
const BROWSERS = [
  [/Edg/, "Edge"],
  [/Firefox|FxiOS/, "Firefox"],
  [/Chrome|CriOS/, "Chrome"],
  [/Safari/, "Safari"],
];
/** @type {readonly [RegExp, string][]} */
const SYSTEMS = [
  [/Android/, "Android"],
  [/iPhone/, "iPhone"],
  [/iPad/, "iPad"],
  [/Windows/, "Windows"],
  [/Macintosh/, "Mac"],
  [/Linux/, "Linux"],
];

/**
 * Pure: what its user may know the device by.
 * @param {string} userAgent
 */
export function nameOf(userAgent) {
  const first = (/** @type {typeof BROWSERS} */ all) => all.find(([pattern]) => pattern.test(userAgent))?.[1];
  const [browser = "A browser", system] = [first(BROWSERS), first(SYSTEMS)];
  return system === undefined ? browser : `${browser} on ${system}`;
}

/** @param {string} text base64url */
const bytesOf = (text) =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (character) =>
    character.charCodeAt(0),
  );

/** @param {ArrayBuffer} buffer */
const textOf = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replace(/=+$/, "");

/** @param {string} endpoint @returns {Promise<string>} as the service names it */
const hashOf = async (endpoint) =>
  textOf(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(endpoint)));

/** @returns {Promise<ServiceWorkerRegistration>} */
function registered() {
  const late = new Promise((_resolve, reject) => {
    const message = "The page's service worker is not there yet. Load the page anew and try again.";
    setTimeout(() => reject(new Error(message)), WORKER_MS);
  });
  return Promise.race([navigator.serviceWorker.ready, late]);
}

/** @type {Readonly<Record<State, { status: string, word: string, text: string }>>} */
const STATES = {
  unsupported: { status: "unknown", word: "not possible", text: "" },
  denied: {
    status: "warn",
    word: "refused",
    text: "The browser was told to show no notifications of this page. Allow them in its settings for this site (the symbol beside the address, or the phone's settings for an installed page), then load the page anew.",
  },
  unknown: { status: "unknown", word: "unknown", text: "It cannot be said whether this device gets alerts." },
  off: {
    status: "unknown",
    word: "off",
    text: "This device can show alerts, also while no page is open. The browser asks for your permission first.",
  },
  on: {
    status: "pass",
    word: "on",
    text: "Alerts of this stack come to this device, also while you are signed out.",
  },
};

/**
 * @param {object} page
 * @param {import("../transport/connection-manager.js").ConnectionManager} page.connection
 * @param {() => any} page.diag the answer of /api/diag that is known now; undefined for none.
 */
export function connectPush({ connection, diag }) {
  const { api, session } = connection;
  /** The device that this browser is. @type {Device | undefined} */
  let own;
  const key = () => `${KEY} ${api.baseUrl} ${session.state.id}`;

  const { ask, askAnew } = oneAtATime(async () => {
    const known = session.state.authenticated ? await askService() : undefined;
    at("push").hidden = known === undefined;
    if (known) await show(known);
  });
  const look = () => void askAnew().catch(say);

  /** @returns {Promise<Known | undefined>} undefined: alerts are not for this user, or the stack has none to push. */
  async function askService() {
    try {
      return await api.get("/api/push", { expected: [403, 404] });
    } catch (error) {
      if (error instanceof ApiError && [401, 403, 404].includes(error.status)) return undefined;
      throw error;
    }
  }

  /** @param {Known} known */
  async function show(known) {
    const why = whyNot(abilities());
    own = undefined;
    // The list first: finding this browser's own may take long, or fail.
    showDevices(known.devices);
    if (why !== undefined) showState("unsupported", why);
    else if (Notification.permission === "denied") showState("denied");
    else {
      showState("unknown");
      own = await findOwn(known);
      showState(own ? "on" : "off");
    }
    showDevices(known.devices);
  }

  /**
   * This browser's own device; a subscription that is gone, or was for another key, is renewed, which asks its user nothing.
   * @param {Known} known
   * @returns {Promise<Device | undefined>}
   */
  async function findOwn(known) {
    if (Notification.permission !== "granted") return undefined;
    const registration = await registered();
    const subscription = await registration.pushManager.getSubscription();
    const hash = subscription ? await hashOf(subscription.endpoint) : "";
    const found = known.devices.find(({ endpointHash }) => endpointHash === hash);
    if (found?.isCurrent) return found;
    const decided = recall("localStorage", key());
    if (subscription && !found) {
      // One that its user removed, here or on another device, stays away, also when the browser loses it later.
      if (decided !== undefined) remember("localStorage", key(), "off");
      return undefined;
    }
    if (!found && (decided === undefined || decided === "off")) return undefined;
    return add(known, registration);
  }

  /**
   * @param {Known} known
   * @param {ServiceWorkerRegistration} registration
   * @returns {Promise<Device>}
   */
  async function add({ publicKey }, registration) {
    const before = await registration.pushManager.getSubscription();
    const decided = recall("localStorage", key());
    const replaces = before ? await hashOf(before.endpoint) : decided === "off" ? undefined : decided;
    const isSame = before && textOf(before.options.applicationServerKey ?? new ArrayBuffer(0)) === publicKey;
    if (before && !isSame) await before.unsubscribe();
    const subscription = await registration.pushManager.subscribe({
      userVisibleOnly: true,
      applicationServerKey: bytesOf(publicKey),
    });
    const { endpoint, keys } = subscription.toJSON();
    const name = nameOf(navigator.userAgent);
    const { id } = await api.post("/api/push", { endpoint, keys, publicKey, name, replaces });
    const endpointHash = await hashOf(subscription.endpoint);
    remember("localStorage", key(), endpointHash);
    const createdAt = new Date().toISOString();
    return { id, name, endpointHash, createdAt, lastSentAt: null, problem: null, isCurrent: true };
  }

  /** @param {State} state @param {string} [text] */
  function showState(state, text = STATES[state].text) {
    const { status, word } = STATES[state];
    writeStatus("push-state", word, status);
    const isUnwatched = state === "on" && diag()?.alerts?.status === "absent";
    write(
      "push-text",
      isUnwatched ? `${text} But nothing watches this stack: only tests arrive (omniai:monitoring).` : text,
    );
    at("push-on").hidden = state !== "off";
    for (const id of ["push-test", "push-off"]) at(id).hidden = state !== "on";
  }

  /** @param {readonly Device[]} devices */
  function showDevices(devices) {
    const others = devices.filter(({ id }) => id !== own?.id);
    at("push-others").hidden = others.length === 0;
    at("push-devices").replaceChildren(
      ...others.map((device) => {
        const item = element("li", undefined, {
          "data-status": device.problem || !device.isCurrent ? "warn" : "pass",
        });
        const words = element("span", device.name);
        words.append(element("small", describe(device)));
        const label = `Remove ${device.name}`;
        const button = element("button", "Remove", { type: "button", class: "quiet", "aria-label": label });
        button.addEventListener(
          "click",
          () => void work(button, () => remove(device.id, `${device.name} is removed.`)),
        );
        item.append(words, button);
        return item;
      }),
    );
  }

  /** @param {string} id @param {string} done what to say then. */
  async function remove(id, done) {
    await api
      .request(`/api/push?id=${id}`, {
        method: "DELETE",
        signal: AbortSignal.timeout(10_000),
        expected: [404],
      })
      .catch((error) => {
        if (!(error instanceof ApiError && error.status === 404)) throw error;
      });
    await askAnew();
    write("push-told", done);
  }

  /** @param {HTMLElement} button @param {() => Promise<unknown>} todo */
  async function work(button, todo) {
    const control = /** @type {HTMLButtonElement} */ (button);
    if (control.disabled) return;
    control.disabled = true;
    write("push-told", "");
    const hadFocus = document.activeElement === button;
    try {
      await todo();
    } catch (error) {
      say(error);
    }
    control.disabled = false;
    // A button that is gone must not take the keyboard's place with it.
    if (hadFocus && (control.hidden || !control.isConnected)) at("push-title").focus();
  }

  at("push-on").addEventListener("click", () => {
    // At once: browsers ask only as an answer to the click itself.
    const asked = Notification.requestPermission();
    void work(at("push-on"), async () => {
      await asked;
      if (Notification.permission === "default")
        return write("push-told", "The browser was not given its permission.");
      if (Notification.permission === "denied") return void (await askAnew());
      const known = await askService();
      if (known) await add(known, await registered());
      await askAnew();
      write("push-told", "This device gets alerts from now on.");
    });
  });
  at("push-off").addEventListener(
    "click",
    () =>
      void work(at("push-off"), async () => {
        remember("localStorage", key(), "off");
        const subscription = await (await registered()).pushManager.getSubscription();
        // Also where the service does not answer: its push service then says that the device is gone.
        await subscription?.unsubscribe();
        if (own) await remove(own.id, "This device gets no more alerts.");
      }),
  );
  at("push-test").addEventListener(
    "click",
    () =>
      void work(at("push-test"), async () => {
        const { devices } = await api.post("/api/push/test", {});
        write("push-told", resultOf(devices));
        await ask();
      }),
  );

  connection.on("session", look);
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && look());
  // Somebody may change it in the browser's settings while the page is open.
  void navigator.permissions
    ?.query({ name: "notifications" })
    .then((permission) => permission.addEventListener("change", look))
    .catch(() => undefined);
  look();
}

/** @param {unknown} error */
function say(error) {
  const isAbsent = error instanceof DOMException && error.name === "AbortError";
  const text = error instanceof Error ? error.message : String(error);
  write("push-told", isAbsent ? `The browser's own push service does not answer: ${text}` : text);
}

/** @param {Device} device */
function describe({ lastSentAt, problem, isCurrent }) {
  if (!isCurrent) return "Gets nothing until this page is opened there: the service has a new key.";
  if (problem) return `The last alert did not get there: ${problem}.`;
  return lastSentAt === null
    ? "Nothing sent yet."
    : `Last sent ${span((Date.now() - Date.parse(lastSentAt)) / 1000)} ago.`;
}

/**
 * Pure: what became of a test.
 * @param {readonly { outcome: string, detail?: string }[]} devices
 */
export function resultOf(devices) {
  const sent = devices.filter(({ outcome }) => outcome === "sent").length;
  const failed = devices.filter(({ outcome }) => outcome !== "sent");
  const why = failed.map(({ outcome, detail }) =>
    outcome === "gone" ? "one wants none any more, and is removed" : detail,
  );
  const taken = `Sent to ${sent} of ${devices.length} ${devices.length === 1 ? "device" : "devices"}.`;
  return failed.length === 0
    ? `${taken} It is there in a moment.`
    : `${taken} The others: ${why.join("; ")}.`;
}
