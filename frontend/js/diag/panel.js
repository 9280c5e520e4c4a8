/** What diagnostics.html shows. */
import { at, element, millis, span, time, write, writeStatus } from "../dom.js";
import { ApiError } from "../transport/api.js";
import { share } from "../transport/quality.js";
import { adviceFor, adviceForConnection } from "./advice.js";
import { AROUND } from "./around.js";
import { Chart } from "./charts.js";

const scores = new Chart("score-chart", [{ label: "Quality", colour: "--accent", isFilled: true }], [0, 100]);
const times = new Chart("times-chart", [
  { label: "each", colour: "--faint" },
  { label: "p50", colour: "--accent" },
  { label: "p95", colour: "--warn" },
]);
/** Over how many measurements the lines of p50 and p95 are taken. */
const WINDOW = 20;

/**
 * @param {string} id of a list.
 * @param {readonly { status: string, text: string, todo: string }[]} items
 */
function showAdvice(id, items) {
  const list = at(id);
  list.hidden = items.length === 0;
  list.replaceChildren(
    ...items.map(({ status, text, todo }) => {
      const item = element("li", text, { "data-status": status });
      if (todo !== "") item.append(element("small", todo));
      return item;
    }),
  );
}

/**
 * The service's own verdict, and what is around it: what only threatens it does not make it fail.
 * @param {any} summary the answer of /api/diag/health-summary.
 * @param {readonly import("./around.js").Reason[]} around
 */
export function showSummary({ status, verdict, reasons, replica }, around) {
  const isThreatened = status === "pass" && around.length > 0;
  at("health").dataset["status"] = isThreatened ? "warn" : status;
  write("verdict", isThreatened ? "It serves, but something needs attention." : verdict);
  const items = [...reasons, ...around].map((/** @type {any} */ each) => ({
    status: each.status,
    text: `${each.component}: ${each.detail ?? (each.status === "fail" ? "fails" : "needs attention")}`,
    todo: each.todo ?? adviceFor(each.component),
  }));
  showAdvice("reasons", items);
  write("asked", `Asked at ${time.format(new Date())}, answered by ${replica}`);
}

/** @typedef {{ verdict: string, text: string, todo: string }} Silence why nothing is known now. */

/**
 * Pure: why nothing is known.
 * @param {unknown} error
 * @param {boolean} isOnline whether this device has a network.
 * @returns {Silence}
 */
export function silenceOf(error, isOnline) {
  if (error instanceof ApiError) return refusalOf(error);
  if (!isOnline)
    return {
      verdict: "This device is offline.",
      text: "No network",
      todo: "Check its network. Everything goes on by itself when it is back.",
    };
  return {
    verdict: "The service does not answer.",
    text: "No answer",
    todo: "Test everything says where the way is closed. On the host: npm run status, then npm run logs.",
  };
}

/** Something answered, but it was the edge, or a replica that cannot say how it is. @param {ApiError} error @returns {Silence} */
function refusalOf({ status, message }) {
  if (status === 502 || status === 503 || status === 504)
    return {
      verdict: "The service is away for a while.",
      text: message,
      todo: "Maintenance, or no replica is ready: npm run status. It comes back by itself.",
    };
  return { verdict: `The service answers ${status}.`, text: message, todo: "npm run logs says more." };
}

/**
 * Nothing is known now, so no tile goes on showing what was.
 * @param {Silence} silence
 * @param {string} last what was known before.
 */
export function showSilence({ verdict, text, todo }, last) {
  write("asked", last || "\u00a0");
  at("health").dataset["status"] = "fail";
  write("verdict", verdict);
  showAdvice("reasons", [{ status: "fail", text, todo }]);
  forget([...PARTS, ...AROUND]);
  write("others", "—");
  showAllErrors(undefined);
}

/** The user has left who was shown what not everybody may see. */
export function forgetReader() {
  forget(AROUND);
  showAdvice("reasons", []);
  showAllErrors(undefined);
}

/** @param {readonly string[]} tiles */
function forget(tiles) {
  for (const id of tiles) {
    writeStatus(id, "unknown", "unknown");
    write(`${id}-more`, "\u00a0");
  }
}

/** @param {any} quality of all pages, as /api/diag has it; undefined: nothing is known. */
function showAllErrors(quality) {
  write("all-errors", quality == null ? "—" : String(quality.errors));
  showAdvice(
    "all-error-list",
    (quality?.topErrors ?? []).slice(0, 5).map((/** @type {any} */ { message, count, clients }) => ({
      status: "fail",
      text: `${count} × ${message}`,
      todo: clients === 1 ? "in one page" : `in ${clients} pages`,
    })),
  );
}

const PARTS = ["replicas", "database", "redis", "log", "providers", "streams"];
/** `npm run dev` has no Redis. */
const words = { pass: "Good", fail: "Away", absent: "Not used" };

/**
 * @param {any} diag the answer of /api/diag.
 * @param {any} connections the answer of /api/diag/connections.
 */
export function showParts(
  { database, redis, events, providers, version, build, uptimeSeconds, quality },
  connections,
) {
  const word = (/** @type {keyof typeof words} */ status) => words[status] ?? status;
  const { replicas, streams, complete } = connections;
  writeStatus("replicas", complete ? String(replicas.length) : "Not all known", complete ? "pass" : "warn");
  const each = replicas.map((/** @type {any} */ { streams: own }) => own).join(" + ");
  write(
    "replicas-more",
    `${version} · ${String(build).slice(0, 8)} · up ${span(uptimeSeconds)} · streams ${each}`,
  );
  writeStatus("database", word(database.status), database.status);
  write(
    "database-more",
    more(database, [`${database.pool.total - database.pool.idle} of ${database.pool.max} connections busy`]),
  );
  writeStatus("redis", word(redis.status), redis.status);
  write("redis-more", more(redis, redis.memory ? [`${mib(redis.memory.usedBytes)} used`] : []));
  const following = events.reader === "following";
  writeStatus("log", following ? "Following" : `Log is ${events.reader}`, following ? "pass" : "warn");
  write("log-more", redis.persistence?.appendOnly ? "kept on disk" : "kept by the service");
  const away = providers.filter((/** @type {any} */ { status }) => status === "fail").length;
  writeStatus(
    "providers",
    providers.length === 0 ? "None" : away === 0 ? "Good" : `${away} away`,
    away > 0 ? "warn" : providers.length === 0 ? "unknown" : "pass",
  );
  write(
    "providers-more",
    providers.map((/** @type {any} */ { name }) => name).join(", ") || "omniai:providers names them",
  );
  const most = replicas.reduce((/** @type {number} */ sum, /** @type {any} */ { max }) => sum + max, 0);
  writeStatus("streams", String(streams), streams > 0.9 * most ? "warn" : "pass");
  write("streams-more", `of ${most}`);
  write(
    "others",
    quality?.latencyP95Ms == null ? "—" : `${millis(quality.latencyP95Ms)} (${quality.clients})`,
  );
  showAllErrors(quality);
}

/**
 * @param {any} part
 * @param {string[]} rest
 */
const more = ({ version, latencyMs }, rest) =>
  [version, latencyMs === undefined ? undefined : millis(latencyMs), ...rest].filter(Boolean).join(" · ") ||
  "\u00a0";

const mib = (/** @type {number} */ bytes) => `${(bytes / 1_048_576).toFixed(1)} MiB`;

const GRADES = { good: "pass", fair: "warn", poor: "fail", none: "fail" };
const ways = {
  live: "Stream",
  degraded: "Polling",
  connecting: "Connecting",
  offline: "None",
  stopped: "None",
};

/**
 * @param {import("../transport/quality.js").Quality} quality
 * @param {import("../transport/connection-manager.js").StateChange} change
 */
export function showQuality(quality, { state }) {
  const { score, grade, reasons, history } = quality;
  write("grade", grade === "none" ? "no connection" : grade);
  at("grade").dataset["status"] = GRADES[grade];
  write("score", `${score} of 100`);
  write("loss", `${Math.round(100 * quality.loss)} %`);
  write("jitter", millis(quality.jitterMs));
  write("reconnects", String(quality.reconnects));
  write(
    "skew",
    quality.skewMs === undefined
      ? "—"
      : Math.abs(quality.skewMs) < 1000
        ? "right"
        : `${(quality.skewMs / 1000).toFixed(1)} s off`,
  );
  write("way", ways[state]);
  write("rtt", millis(quality.rttMs));
  write("rtt95", millis(quality.rttP95Ms));
  write("event50", millis(quality.eventP50Ms));
  write("event95", millis(quality.eventP95Ms));
  showAdvice(
    "quality-reasons",
    reasons.map(({ code, cost, text }) => ({
      status: cost >= 25 ? "fail" : "warn",
      text: `${text} (−${cost})`,
      todo: adviceForConnection(code),
    })),
  );
  if (history.length === 0) return;
  const stamps = history.map(({ at: when }) => when / 1000);
  scores.show(
    [stamps, history.map((sample) => sample.score)],
    `Quality from 0 to 100, over ${span((stamps.at(-1) ?? 0) - (stamps[0] ?? 0))}: ${score} now, ${Math.min(...history.map((sample) => sample.score))} at worst.`,
  );
  const trips = history.map(({ rttMs }) => rttMs);
  const line = (/** @type {number} */ part) =>
    trips.map(
      (_, index) =>
        share(
          trips
            .slice(Math.max(0, index - WINDOW + 1), index + 1)
            .filter((ms) => ms !== null)
            .sort((a, b) => a - b),
          part,
        ) ?? null,
    );
  times.show(
    [stamps, trips, line(0.5), line(0.95)],
    `From a request to its answer: ${millis(quality.rttMs)} at the median, ${millis(quality.rttP95Ms)} for the slowest of twenty.`,
  );
}

/**
 * @param {import("../page-health.js").PageHealth} health
 * @param {import("../transport/connection-manager.js").ConnectionManager} connection
 */
export function showPage(health, connection) {
  const { memory, longTasks, longestTaskMs, errors } = health;
  write("memory", memory === undefined ? "not told" : mib(memory));
  write("tasks", longTasks === 0 ? "none" : `${longTasks}, up to ${Math.round(longestTaskMs)} ms`);
  write("errors", String(errors.reduce((sum, { count }) => sum + count, 0)));
  write("tab", connection.state.isLeading ? "leads" : "follows another");
  showAdvice(
    "error-list",
    errors
      .slice(0, 5)
      .map(({ kind, text, count }) => ({ status: "fail", text: `${count} × ${text}`, todo: kind })),
  );
}

export function beginTests() {
  at("tests").hidden = false;
  at("results").replaceChildren();
  write("tests-sum", "running…");
  at("tests-title").focus();
}

/** @param {string} name */
export function addTest(name) {
  const row = element("li", undefined, { "data-status": "unknown" });
  row.append(element("b", "…"), element("span", name), element("p"));
  at("results").append(row);
  return row;
}

const MARKS = { pass: "✓ good", warn: "! look", fail: "✕ bad", skip: "– skipped" };

/**
 * @param {HTMLElement} row
 * @param {import("./checks.js").Result} result
 */
export function endTest(row, { status, text, todo }) {
  row.dataset["status"] = status;
  const [mark, , said] = row.children;
  if (mark) mark.textContent = MARKS[status];
  said?.append(text);
  if (todo) said?.append(element("small", todo));
}

/** @param {readonly { status: string }[]} results */
export function endTests(results) {
  const count = (/** @type {string} */ status) => results.filter((each) => each.status === status).length;
  const [bad, look] = [count("fail"), count("warn")];
  write(
    "tests-sum",
    bad + look === 0
      ? `All ${count("pass")} are good.`
      : `${bad} bad, ${look} to look at, ${count("pass")} good.`,
  );
}
