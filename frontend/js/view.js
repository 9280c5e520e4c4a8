/** What the page shows. It only writes text into elements that index.html has, never markup. */

import { at, element, time, write } from "./dom.js";

const MOST_EVENTS = 200;

/** @param {string} stack */
export function showStack(stack) {
  write("stack", stack);
  document.title = `OmniAI ${stack}`;
}

/** @type {Record<import("./transport/stream.js").State, string>} */
const words = {
  connecting: "Connecting",
  live: "Live",
  degraded: "Live, by polling",
  offline: "Offline",
  stopped: "Signed out",
};

/** @param {{ state: import("./transport/stream.js").State, failures?: number }} change */
export function showConnection({ state, failures = 0 }) {
  const shown = at("connection").dataset;
  // An attempt while nothing answers is no news: a screen reader would read both words out with each of them.
  if (shown["state"] === "offline" && state === "connecting" && failures > 0) return;
  shown["state"] = state;
  write("connection-text", state === "connecting" && failures > 0 ? "Reconnecting" : words[state]);
}

/**
 * @param {string | undefined} text undefined: nothing to say.
 * @param {"good" | "warn" | "bad"} [kind]
 */
export function showNotice(text, kind = "warn") {
  const notice = at("notice");
  notice.dataset["kind"] = kind;
  notice.hidden = text === undefined;
  write("notice-text", text ?? "");
  write("notice-retry", "");
}

/** It changes with every attempt, so it is beside what a screen reader reads out. @param {string} text */
export const showRetry = (text) => write("notice-retry", text);

/**
 * Says something that stays true, beside whatever else happens: news of an outage does not take its place.
 * @param {string} about names it: another text about the same takes its place.
 * @param {string | undefined} text undefined: that is over.
 * @param {"warn" | "bad"} [kind]
 * @param {HTMLElement} [action] what to do about it.
 */
export function showLasting(about, text, kind = "warn", action = undefined) {
  const list = at("lasting");
  const known = [...list.children].find(
    (each) => /** @type {HTMLElement} */ (each).dataset["about"] === about,
  );
  // The same text is not written again, because a screen reader would read it again.
  if (known?.firstChild?.textContent === text) return;
  known?.remove();
  if (text === undefined) return;
  const notice = element("p", text, { class: "notice", "data-kind": kind, "data-about": about });
  if (action) notice.append(" ", action);
  list.append(notice);
}

/** @param {any} summary the answer of /api/diag/health-summary. */
export function showSummary(summary) {
  at("health").dataset["status"] = summary.status;
  write("verdict", summary.verdict);
  const reasons = at("reasons");
  reasons.replaceChildren(
    ...summary.reasons.map((/** @type {any} */ { component, status, detail }) => {
      return element("li", `${component}: ${detail ?? (status === "fail" ? "fails" : "needs attention")}`);
    }),
  );
  reasons.hidden = summary.reasons.length === 0;
  write("asked", `Asked at ${time.format(new Date())}`);
}

/**
 * Marks what is shown as out of date.
 * @param {string} [verdict]
 * @param {string} [last] what was known before, with its age.
 */
export function showUnreachable(verdict = "The service does not answer.", last = "") {
  if (last !== "") write("asked", last);
  at("health").dataset["status"] = "fail";
  write("verdict", verdict);
  at("reasons").hidden = true;
}

let total = 0;

/** @param {{ id: string, type: string, data: unknown }} event */
export function addEvent(event) {
  const item = document.createElement("li");
  item.className = "new";
  item.dataset["id"] = event.id;
  const happened = new Date(Number(event.id.split("-")[1]) || Date.now());
  const [when, type, data] = ["time", "b", "code"].map((name) => document.createElement(name));
  if (!when || !type || !data) return;
  /** @type {HTMLTimeElement} */ (when).dateTime = happened.toISOString();
  when.textContent = time.format(happened);
  type.textContent = event.type;
  data.textContent = typeof event.data === "string" ? event.data : JSON.stringify(event.data);
  item.append(when, " ", type, " ", data);
  total += 1;
  prepend(item);
}

/** @param {string} reason */
export function addGap(reason) {
  const item = document.createElement("li");
  item.className = "gap";
  item.textContent = `Some events in between are no longer kept (${reason}); this goes on with the newest.`;
  prepend(item);
}

/** Takes away all that is listed: it was meant for somebody who is no longer there. */
export function clearEvents() {
  at("events").replaceChildren();
  total = 0;
  at("empty").hidden = false;
  write("count", "none yet");
  write("sent", "");
}

/** @param {HTMLElement} item */
function prepend(item) {
  const list = at("events");
  list.prepend(item);
  while (list.children.length > MOST_EVENTS) list.lastElementChild?.remove();
  at("empty").hidden = true;
  write("count", `${total} since this page was opened`);
}

/** @param {boolean} may */
export const showSend = (may) => (at("send").hidden = !may);

/** @param {string} text */
export const showSent = (text) => write("sent", text);

/** @param {string} api the API's origin. */
export function showExamples(api) {
  write("example-listen", `curl -N ${api}/api/events`);
  write(
    "example-publish",
    `curl ${api}/api/events -H 'content-type: application/json' -d '{"type":"hello","data":{"n":1}}'`,
  );
  /** @type {HTMLAnchorElement} */ (at("openapi")).href = `${api}/api/openapi.json`;
}
