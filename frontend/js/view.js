/** What the page shows. It only writes text into elements that index.html has, never markup. */

const MOST_EVENTS = 200;

/** @param {string} id */
const at = (id) => {
  const element = document.getElementById(id);
  if (!element) throw new Error(`index.html has no #${id}.`);
  return element;
};

/**
 * @param {string} id
 * @param {string} text
 */
const write = (id, text) => {
  const element = at(id);
  // The same text is not written again, because a screen reader would read it again.
  if (element.textContent !== text) element.textContent = text;
};

const time = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });

/** @param {number} seconds */
export function span(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  if (whole < 86_400) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  return `${Math.floor(whole / 86_400)} d ${Math.floor((whole % 86_400) / 3600)} h`;
}

/** @param {string} stack */
export function showStack(stack) {
  write("stack", stack);
  document.title = `OmniAI ${stack}`;
}

/** @type {Record<import("./stream.js").State, string>} */
const connection = {
  connecting: "Connecting",
  live: "Live",
  polling: "Live, by polling",
  waiting: "Reconnecting",
  offline: "Offline",
  "signed-out": "Signed out",
};

/** @param {import("./stream.js").State} state */
export function showConnection(state) {
  at("connection").dataset["state"] = state === "polling" ? "live" : state;
  write("connection-text", connection[state]);
}

/**
 * @param {string | undefined} text undefined: nothing to say.
 * @param {"good" | "warn" | "bad"} [kind]
 */
export function showNotice(text, kind = "warn") {
  const notice = at("notice");
  notice.dataset["kind"] = kind;
  write("notice", text ?? "");
  notice.hidden = text === undefined;
}

/**
 * @param {string} id
 * @param {string} text
 * @param {string} status
 */
function writeStatus(id, text, status) {
  write(id, text);
  at(id).dataset["status"] = status;
}

/** @param {any} summary the answer of /api/diag/health-summary. */
export function showSummary(summary) {
  at("health").dataset["status"] = summary.status;
  write("verdict", summary.verdict);
  const reasons = at("reasons");
  reasons.replaceChildren(
    ...summary.reasons.map((/** @type {any} */ { component, status, detail }) => {
      const item = document.createElement("li");
      item.textContent = `${component}: ${detail ?? (status === "fail" ? "fails" : "needs attention")}`;
      return item;
    }),
  );
  reasons.hidden = summary.reasons.length === 0;
  write("asked", `Asked at ${time.format(new Date())}`);
}

/**
 * Marks what is shown as out of date.
 * @param {string} [verdict]
 */
export function showUnreachable(verdict = "The service does not answer.") {
  at("health").dataset["status"] = "fail";
  write("verdict", verdict);
  at("reasons").hidden = true;
  for (const id of ["database", "redis", "log"]) writeStatus(id, "unknown", "unknown");
}

/** `npm run dev` has no Redis. */
const words = { pass: "Good", fail: "Away", absent: "Not used" };
/** @typedef {keyof typeof words} Status */

/** @param {any} diag the answer of /api/diag. */
export function showDiag({ database, redis, events, replica, build, version, uptimeSeconds }) {
  const latency = (/** @type {any} */ { version: number, latencyMs }) =>
    [number, latencyMs === undefined ? undefined : `${Math.max(1, Math.round(latencyMs))} ms`]
      .filter(Boolean)
      .join(" · ");
  writeStatus("database", words[/** @type {Status} */ (database.status)], database.status);
  write("database-more", latency(database));
  writeStatus("redis", words[/** @type {Status} */ (redis.status)], redis.status);
  write("redis-more", latency(redis));
  const following = events.reader === "following";
  writeStatus("log", following ? "Following" : `Log is ${events.reader}`, following ? "pass" : "warn");
  write("log-more", `${events.streams} ${events.streams === 1 ? "stream" : "streams"} here`);
  write("replica", replica);
  write("replica-more", `up ${span(uptimeSeconds)} · ${version} · ${String(build).slice(0, 8)}`);
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

/** @param {HTMLElement} item */
function prepend(item) {
  const list = at("events");
  list.prepend(item);
  while (list.children.length > MOST_EVENTS) list.lastElementChild?.remove();
  at("empty").hidden = true;
  write("count", `${total} since this page was opened`);
}

/** @param {import("./auth.js").Auth} auth */
export function showAuth(auth) {
  at("login").hidden = !auth.isNeeded;
  at("account").hidden = !auth.state.authenticated;
  write("account-name", auth.state.name ?? "");
  const maySend = !auth.isNeeded;
  at("send").hidden = !maySend;
}

/**
 * @param {string} id of a form.
 * @param {(values: Record<string, string>, form: HTMLFormElement) => Promise<void>} handle
 */
export function onSubmit(id, handle) {
  const form = /** @type {HTMLFormElement} */ (at(id));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    if (!button || button.disabled) return;
    button.disabled = true;
    const values = Object.fromEntries([...new FormData(form)].map(([key, value]) => [key, String(value)]));
    void handle(values, form).finally(() => (button.disabled = false));
  });
}

/** @param {() => void} handle */
export const onLogout = (handle) => at("logout").addEventListener("click", handle);

/** @param {string | undefined} text */
export function showLoginError(text) {
  write("login-error", text ?? "");
  at("login-error").hidden = text === undefined;
}

/** @param {string} text */
export const showSent = (text) => write("sent", text);
