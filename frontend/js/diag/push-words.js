/** What is said about alerts on devices: what is so, and what to do about it. */
import { span } from "../dom.js";
import { ApiError } from "../transport/api.js";

/** @typedef {import("./push.js").Device} Device */
/** @typedef {"unsupported" | "denied" | "unknown" | "off" | "lost" | "on"} State */

const CAN =
  "This device can show alerts, also while no page is open. The browser asks for your permission first.";

/** @type {Readonly<Record<State, { status: string, word: string, text: string }>>} */
export const STATES = {
  unsupported: { status: "unknown", word: "not possible", text: "" },
  denied: {
    status: "warn",
    word: "refused",
    text: "The browser was told to show no notifications of this page. Allow them in its settings for this site (the symbol beside the address, or the phone's settings for an installed page), then load the page anew.",
  },
  unknown: { status: "unknown", word: "unknown", text: "It cannot be said whether this device gets alerts." },
  off: { status: "unknown", word: "off", text: CAN },
  // Nobody here has turned them off.
  lost: { status: "warn", word: "off", text: CAN },
  on: {
    status: "pass",
    word: "on",
    text: "Alerts of this stack come to this device, also while you are signed out.",
  },
};

/** Less than so is no age: the two clocks differ by more at times. */
const JUST_NOW_SECONDS = 10;

/** Where they were on, and somebody else has ended that. */
export const LOST =
  "Alerts came to this device and do no more: it was removed on another one, its user got a new password, or somebody else turned alerts on in this browser. Turn them on again if you want them here.";

export const RENEWED = "The browser had renewed its subscription; alerts come to the new one from now on.";

/** Why this device shows no alert, whatever is sent to it. */
export const HERE = {
  permission:
    "This device shows none: the browser no longer allows notifications of this page. Allow them in its settings for this site, then load the page anew.",
  worker:
    "This device shows none: the page's service worker, which shows them, is missing. Load the page anew; where that does not help, the browser keeps nothing for this site, and its settings say why.",
  subscription:
    "This device gets none: the browser has lost its subscription. Load the page anew, which renews it.",
};

/** By the problem's name: what the service refused, and what to do. @type {Readonly<Record<string, string>>} */
const FAILURES = {
  "push-off":
    "The service has no key for push services any more, because the stack has no web push (omniai:webPush) or went back to a version before it. Deploy it again (npm run up).",
  "push-unavailable": "The service cannot ask PostgreSQL for your devices. See npm run health.",
  "insufficient-scope": "You may not see alerts any more (the scope diag:read).",
};

/** Whatever was tried. @param {unknown} error @returns {string} */
export function failureOf(error) {
  const isAbsent = error instanceof DOMException && error.name === "AbortError";
  const text = error instanceof Error ? error.message : String(error);
  if (isAbsent) return `The browser's own push service does not answer: ${text}`;
  if (!(error instanceof ApiError)) return text;
  if (error.status === 429)
    return `That was one too many. Try again in ${span((error.retryAfterMs ?? 60_000) / 1000)}.`;
  return FAILURES[error.type] ?? text;
}

/** Of a test. Where the service gave no answer, it may have sent one. @param {unknown} error @returns {string} */
export function testFailureOf(error) {
  const isRefused =
    error instanceof ApiError && (error.status === 429 || Object.hasOwn(FAILURES, error.type));
  return isRefused ? `No test was sent. ${failureOf(error)}` : failureOf(error);
}

/** @param {Device} device */
export function describe({ lastSentAt, problem, isCurrent }) {
  if (!isCurrent) return "Gets nothing until this page is opened there: the service has a new key.";
  if (problem) return `What was last sent did not get there: ${problem}.`;
  if (lastSentAt === null) return "Nothing sent yet.";
  const seconds = (Date.now() - Date.parse(lastSentAt)) / 1000;
  return seconds < JUST_NOW_SECONDS ? "Last sent just now." : `Last sent ${span(seconds)} ago.`;
}

/**
 * Pure: what became of a test.
 * @param {object} tested the service's answer.
 * @param {string} [tested.gate] closed: alerts do not get as far as the service, though its tests get through.
 * @param {readonly { id?: string, outcome: string, detail?: string }[]} tested.devices
 * @param {ReadonlyMap<string | undefined, string>} [names] of devices, by their ids.
 */
export function resultOf({ gate, devices }, names = new Map()) {
  const failed = devices.filter(({ outcome }) => outcome !== "sent");
  const count = `${devices.length - failed.length} of ${devices.length} ${devices.length === 1 ? "device" : "devices"}`;
  const why = failed.map(({ id, outcome, detail }) => {
    const reason = outcome === "gone" ? "its browser wants none any more, and it is removed" : detail;
    return `${names.get(id) ?? "A device"}: ${reason}.`;
  });
  return [
    devices.length === 0
      ? "Sent to no device: none of yours is known under the service's present key. Load this page anew on each."
      : `Sent to ${count}.`,
    ...(devices.length > 0 && failed.length === 0 ? ["It is there in a moment."] : why),
    ...(gate === "closed"
      ? [
          "But alerts themselves do not get as far as the service: what lies between it and Alertmanager (push-gate) does not answer. See npm run health.",
        ]
      : []),
  ].join(" ");
}
