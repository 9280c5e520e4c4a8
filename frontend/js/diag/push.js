/**
 * Alerts on this device: whether it gets them, and what its user can do about it. The browser is asked for its permission only
 * when somebody turns them on. Loaded only where the stack has web push.
 */
import { at, element, write, writeStatus } from "../dom.js";
import { oneAtATime } from "../one-at-a-time.js";
import { keysOf, recall, remember } from "../storage.js";
import { ApiError } from "../transport/api.js";
import { abilities, nameOf, whyNot } from "./push-abilities.js";
import { bytesOf, hashOf, keepForWorker, registered, textOf, WorkerLate } from "./push-subscription.js";
import { describe, failureOf, HERE, LOST, RENEWED, resultOf, STATES } from "./push-words.js";

/**
 * What a user of a stack decided in this browser: the hash of the endpoint that was turned on, "off", or "lost" where somebody else
 * has ended it. Stacks may have one origin (GitHub Pages), and users one browser: a decision is nobody else's.
 */
const KEY = "omniai push";

/** @typedef {{ id: string, name: string, endpointHash: string, createdAt: string, lastSentAt: string | null, problem: string | null, isCurrent: boolean }} Device */
/** @typedef {{ publicKey: string, devices: readonly Device[] }} Known what the service says. */
/** @typedef {import("./push-words.js").State} State */

/**
 * @param {object} page
 * @param {import("../transport/connection-manager.js").ConnectionManager} page.connection
 * @param {() => any} page.diag the answer of /api/diag that is known now; undefined for none.
 */
export function connectPush({ connection, diag }) {
  const { api, session } = connection;
  /** The device that this browser is. @type {Device | undefined} */
  let own;
  /** The user's devices' names by their ids, as they were last shown. @type {ReadonlyMap<string | undefined, string>} */
  let names = new Map();
  const stackKey = `${KEY} ${api.baseUrl} `;
  const key = () => `${stackKey}${session.state.id}`;
  const decision = () => recall("localStorage", key());
  const decide = (/** @type {string} */ decided) => remember("localStorage", key(), decided);

  const { ask, askAnew } = oneAtATime(async () => {
    const known = session.state.authenticated ? await askService() : undefined;
    at("push").hidden = known === undefined;
    if (known) await show(known);
  });
  const look = () =>
    void askAnew().catch((error) => {
      say(error);
      // On a slow device's first visit it comes later than anybody wants to wait.
      if (error instanceof WorkerLate) void navigator.serviceWorker.ready.then(lookAnew);
    });
  const lookAnew = () => {
    write("push-told", "");
    look();
  };

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
    if (why !== undefined) showState("unsupported", why);
    else if (Notification.permission === "denied") showState("denied");
    else {
      showState("unknown");
      // The others first: finding this browser's own may take long. Where it fails, all of them are listed.
      const guess = decision();
      showDevices(known.devices.filter(({ endpointHash }) => endpointHash !== guess));
      own = await findOwn(known).catch((error) => {
        showDevices(known.devices);
        throw error;
      });
      if (own) showState("on");
      else showState("off", decision() === "lost" ? LOST : undefined);
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
    if (found?.isCurrent) {
      // Its worker may have told the service of a renewed one while no page was open.
      decide(hash);
      await keepForWorker(registration, { api: api.baseUrl, publicKey: known.publicKey }, subscription);
      return found;
    }
    const decided = decision();
    if (!found) {
      if (decided === undefined || decided === "off" || decided === "lost") return undefined;
      // One that its user removed on another device stays away, also when the browser loses it later.
      if (decided === hash) return void decide("lost");
    }
    const added = await add(known, registration);
    if (subscription && !found) write("push-told", RENEWED);
    return added;
  }

  /**
   * @param {Known} known
   * @param {ServiceWorkerRegistration} registration
   * @returns {Promise<Device>}
   */
  async function add({ publicKey }, registration) {
    const before = await registration.pushManager.getSubscription();
    const decided = decision();
    const isHash = decided !== undefined && decided !== "off" && decided !== "lost";
    const replaces = isHash ? decided : before ? await hashOf(before.endpoint) : undefined;
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
    // A browser has one subscription: from now on it is this user's.
    for (const other of keysOf("localStorage", stackKey))
      if (recall("localStorage", other) !== "off") remember("localStorage", other, "lost");
    decide(endpointHash);
    await keepForWorker(registration, { api: api.baseUrl, publicKey }, subscription);
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
    names = new Map(devices.map(({ id, name }) => [id, id === own?.id ? "This device" : name]));
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
          () =>
            void work(button, async () => {
              await remove(device.id);
              await askAnew();
              write("push-told", `${device.name} is removed.`);
            }),
        );
        item.append(words, button);
        return item;
      }),
    );
  }

  /** @param {string} id */
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
   * The service and the browser: one of them is enough, because the push service says then that the device is gone.
   * @throws where neither could be told.
   */
  async function turnOff() {
    decide("off");
    const unsubscribe = async () => {
      const registration = await registered();
      await keepForWorker(registration, undefined);
      await (await registration.pushManager.getSubscription())?.unsubscribe();
    };
    const [told, ended] = await Promise.allSettled([own && remove(own.id), unsubscribe()]);
    if (told.status === "rejected" && ended.status === "rejected") throw told.reason;
    own = undefined;
    showState("off");
    await askAnew().catch(() => undefined);
    write("push-told", "This device gets no more alerts.");
  }

  /** @returns {Promise<string>} why this device shows none, whatever is sent to it; empty: nothing is known to be wrong. */
  async function troubleHere() {
    if (Notification.permission !== "granted") return HERE.permission;
    const registration = await navigator.serviceWorker.getRegistration();
    if (!registration?.active) return HERE.worker;
    return (await registration.pushManager.getSubscription()) ? "" : HERE.subscription;
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
      // Somebody may have signed out meanwhile, or lost the scope.
      if (own) write("push-told", "This device gets alerts from now on.");
    });
  });
  at("push-off").addEventListener("click", () => void work(at("push-off"), turnOff));
  at("push-test").addEventListener(
    "click",
    () =>
      void work(at("push-test"), async () => {
        const [here, tested] = await Promise.all([
          troubleHere().catch(failureOf),
          api.post("/api/push/test", {}),
        ]);
        const result = `${resultOf(tested, names)} ${here}`.trim();
        await ask();
        write("push-told", result);
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
const say = (error) => write("push-told", failureOf(error));
