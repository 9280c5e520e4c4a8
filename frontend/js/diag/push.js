/**
 * Alerts on this device: whether it gets them, and what its user can do about it. The browser is asked for its permission only
 * when somebody turns them on. Loaded only where the stack has web push.
 */
import { at, element, write, writeStatus } from "../dom.js";
import { oneAtATime } from "../one-at-a-time.js";
import { ApiError } from "../transport/api.js";
import { abilities, whyNot } from "./push-abilities.js";
import { decisionOf, pushDevice } from "./push-device.js";
import { WorkerLate } from "./push-subscription.js";
import { describe, failureOf, HERE, LOST, RENEWED, resultOf, STATES, testFailureOf } from "./push-words.js";

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
  /** Whom the card was shown to last. @type {string | undefined} */
  let shownTo = session.state.id;
  const device = pushDevice({ api, userId: () => session.state.id });
  const decision = () => decisionOf(api.baseUrl, session.state.id);

  const { ask, askAnew, alone } = oneAtATime(async () => {
    const { authenticated, id } = session.state;
    // Taken once: the user may change meanwhile.
    const theirs = decision();
    const known = authenticated ? await askService() : undefined;
    if (session.state.id !== id) return;
    at("push").hidden = known === undefined;
    if (known) await show(known, theirs);
  });
  const look = () => {
    const tell = teller();
    void askAnew().catch((error) => {
      tell(failureOf(error));
      // On a slow device's first visit it comes later than anybody wants to wait.
      if (error instanceof WorkerLate) void navigator.serviceWorker.ready.then(lookAnew);
    });
  };
  const lookAnew = () => {
    write("push-told", "");
    look();
  };
  /** Another user reads nothing of what was for the one before. */
  const lookAfterChange = () => {
    if (session.state.id !== shownTo) {
      shownTo = session.state.id;
      own = undefined;
      write("push-told", "");
      showState("unknown");
      showDevices([]);
    }
    look();
  };

  /** @returns what tells something to whoever is signed in now, and to nobody else. */
  function teller() {
    const { id } = session.state;
    return (/** @type {string} */ text) => {
      if (session.state.id === id) write("push-told", text);
    };
  }

  /** @returns {Promise<Known | undefined>} undefined: alerts are not for this user, or the stack has none to push. */
  async function askService() {
    try {
      return await api.get("/api/push", { expected: [403, 404] });
    } catch (error) {
      if (error instanceof ApiError && [401, 403, 404].includes(error.status)) return undefined;
      throw error;
    }
  }

  /** @param {Known} known @param {import("./push-device.js").Decision} theirs */
  async function show(known, theirs) {
    const tell = teller();
    const isTheirs = () => session.state.id === theirs.userId;
    const why = whyNot(abilities());
    own = undefined;
    if (why !== undefined) showState("unsupported", why);
    else if (Notification.permission === "denied") showState("denied");
    else {
      showState("unknown");
      // The others first: finding this browser's own may take long. Where it fails, all of them are listed.
      const guess = theirs.read();
      showDevices(known.devices.filter(({ endpointHash }) => endpointHash !== guess));
      const found = await device.find(known, theirs).catch((error) => {
        if (isTheirs()) showDevices(known.devices);
        throw error;
      });
      if (!isTheirs()) return;
      own = found.own;
      const isLost = !own && theirs.read() === "lost";
      showState(own ? "on" : isLost ? "lost" : "off");
      if (isLost) tell(LOST);
      if (found.isRenewed) tell(RENEWED);
    }
    showDevices(known.devices);
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
    at("push-on").hidden = state !== "off" && state !== "lost";
    for (const id of ["push-test", "push-off"]) at(id).hidden = state !== "on";
  }

  /** @param {readonly Device[]} devices */
  function showDevices(devices) {
    names = new Map(devices.map(({ id, name }) => [id, id === own?.id ? "This device" : name]));
    const others = devices.filter(({ id }) => id !== own?.id);
    at("push-others").hidden = others.length === 0;
    at("push-devices").replaceChildren(
      ...others.map((other) => {
        const { id, name } = other;
        const item = element("li", undefined, {
          "data-status": other.problem || !other.isCurrent ? "warn" : "pass",
        });
        const words = element("span", name);
        words.append(element("small", describe(other)));
        const label = `Remove ${name}`;
        const button = element("button", "Remove", { type: "button", class: "quiet", "aria-label": label });
        button.addEventListener(
          "click",
          () =>
            void work(button, async (tell) => {
              await device.remove(id);
              await askAnew();
              tell(`${name} is removed.`);
            }),
        );
        item.append(words, button);
        return item;
      }),
    );
  }

  /** @param {ReturnType<typeof teller>} tell */
  async function turnOff(tell) {
    const theirs = decision();
    // Nothing looks meanwhile: it could find the device and turn it on again.
    await alone(async () => {
      await device.end(own, theirs);
      own = undefined;
      showState("off");
    });
    await askAnew().catch(() => undefined);
    tell("This device gets no more alerts.");
  }

  /** @returns {Promise<string>} why this device shows none, whatever is sent to it; empty: nothing is known to be wrong. */
  async function troubleHere() {
    if (Notification.permission !== "granted") return HERE.permission;
    const registration = await navigator.serviceWorker.getRegistration();
    if (!registration?.active) return HERE.worker;
    return (await registration.pushManager.getSubscription()) ? "" : HERE.subscription;
  }

  /** @param {HTMLElement} button @param {(tell: ReturnType<typeof teller>) => Promise<unknown>} todo */
  async function work(button, todo) {
    const control = /** @type {HTMLButtonElement} */ (button);
    if (control.disabled) return;
    control.disabled = true;
    const tell = teller();
    tell("");
    const hadFocus = document.activeElement === button;
    try {
      await todo(tell);
    } catch (error) {
      tell(failureOf(error));
    }
    control.disabled = false;
    // A button that is gone must not take the keyboard's place with it.
    if (hadFocus && (control.hidden || !control.isConnected)) at("push-title").focus();
  }

  at("push-on").addEventListener("click", () => {
    // At once: browsers ask only as an answer to the click itself.
    const asked = Notification.requestPermission();
    const theirs = decision();
    void work(at("push-on"), async (tell) => {
      await asked;
      if (Notification.permission === "default") return tell("The browser was not given its permission.");
      if (Notification.permission === "denied") return void (await askAnew());
      await alone(async () => {
        const known = await askService();
        if (known) await device.add(known, theirs);
      });
      await askAnew();
      // Somebody may have signed out meanwhile, or lost the scope.
      if (own) tell("This device gets alerts from now on.");
    });
  });
  at("push-off").addEventListener("click", () => void work(at("push-off"), turnOff));
  at("push-test").addEventListener(
    "click",
    () =>
      void work(at("push-test"), async (tell) => {
        const [here, tested] = await Promise.all([
          troubleHere().catch(failureOf),
          api.post("/api/push/test", {}).catch((error) => testFailureOf(error)),
        ]);
        if (typeof tested === "string") return tell(tested);
        const result = `${resultOf(tested, names)} ${here}`.trim();
        await ask();
        tell(result);
      }),
  );

  connection.on("session", lookAfterChange);
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && look());
  // Somebody may change it in the browser's settings while the page is open.
  void navigator.permissions
    ?.query({ name: "notifications" })
    .then((permission) => permission.addEventListener("change", look))
    .catch(() => undefined);
  look();
}
