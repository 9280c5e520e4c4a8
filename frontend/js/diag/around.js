/** What is around the service: backups, alerts, certificate and tunnel. The service tells it only to those who may see it. */
import { span, write, writeStatus } from "../dom.js";

export const AROUND = ["backups", "alerts", "certificate", "tunnel"];

/** @typedef {{ status: string, text: string, more: string }} Tile */
/** @typedef {{ component: string, status: "warn" | "fail", detail: string, todo?: string }} Reason */

const DAY_S = 86_400;

/** @typedef {Pick<import("../transport/session.js").AuthState, "mode" | "authenticated">} Reader who looks. */

/**
 * Pure: what is in the place of a part that this reader may not see, with what it needs.
 * @param {Reader} reader
 * @returns {Tile}
 */
function hiddenFrom({ mode, authenticated }) {
  if (mode === "none") return { status: "unknown", text: "Not shown", more: "needs omniai:authMode" };
  return authenticated
    ? { status: "unknown", text: "Not shown", more: "needs the scope diag:read" }
    : { status: "unknown", text: "Sign in", more: "for those with diag:read" };
}

/** @type {Readonly<Record<string, (part: any, now: number) => Tile>>} */
const TILES = {
  backups: ({ status, newest = [], walLagSeconds, problems = [] }) => {
    if (status === "absent") return { status: "unknown", text: "None", more: "omniai:backups turns them on" };
    if (status === "unknown") return { status: "warn", text: "No answer", more: "of the backup room" };
    const ages = newest.map((/** @type {{ ageSeconds: number }} */ { ageSeconds }) => ageSeconds);
    const text = ages.length === 0 ? "None yet" : `${span(Math.min(...ages))} old`;
    // Of a database that others run there is no log to have changes from.
    const since =
      walLagSeconds === null ? "of a database elsewhere" : `changes since, but ${span(walLagSeconds)}`;
    const more = problems[0] ?? `proved by restoring; ${since}`;
    return { status, text, more };
  },
  alerts: ({ status, count = 0, firing = [] }) => {
    if (status === "absent") return { status: "unknown", text: "Not watched", more: "omniai:monitoring" };
    if (status === "unknown") return { status: "warn", text: "Not judged", more: "npm run alerts" };
    const names = firing.map((/** @type {{ name: string }} */ { name }) => name).join(", ");
    return { status, text: count === 0 ? "None" : `${count} firing`, more: names || "all rules are judged" };
  },
  certificate: ({ status, ends }, now) => {
    if (status === "absent") return { status: "unknown", text: "None", more: "there is no edge" };
    if (status === "unknown") return { status: "warn", text: "Not shown", more: "the edge does not answer" };
    return { status, text: left(ends, now), more: `until ${new Date(ends).toLocaleDateString()}` };
  },
  tunnel: ({ status, url = "", latencyMs, reason }) => {
    if (status === "absent") return { status: "unknown", text: "Not used", more: "omniai:tunnelEnabled" };
    const host = url.replace(/^https?:\/\//, "");
    const more = reason ?? `${host} · ${latencyMs} ms`;
    return { status, text: status === "pass" ? "Connected" : "Away", more };
  },
};

/**
 * @param {string} ends
 * @param {number} now in ms.
 */
function left(ends, now) {
  const seconds = (Date.parse(ends) - now) / 1000;
  if (seconds <= 0) return "Has ended";
  return seconds < 3 * DAY_S ? span(seconds) : `${Math.floor(seconds / DAY_S)} days`;
}

/**
 * Pure: what a part's tile says.
 * @param {string} name of AROUND.
 * @param {any} part of the answer of /api/diag; undefined: this reader may not see it.
 * @param {Reader} reader
 * @returns {Tile}
 */
export const tileOf = (name, part, reader, now = Date.now()) =>
  (part && TILES[name]?.(part, now)) || hiddenFrom(reader);

/**
 * @param {any} diag the answer of /api/diag.
 * @param {Reader} reader
 */
export function showAround(diag, reader) {
  for (const name of AROUND) {
    const { status, text, more } = tileOf(name, diag[name], reader);
    writeStatus(name, text, status);
    write(`${name}-more`, more);
  }
}

/**
 * Pure: what of it the verdict has to say. An alert about a part that says the same itself is left out.
 * @param {any} diag the answer of /api/diag.
 * @returns {Reason[]} the worst first.
 */
export function reasonsAround({ backups, alerts, certificate, tunnel }, now = Date.now()) {
  /** @type {Reason[]} */
  const reasons = [];
  const isBad = (/** @type {any} */ part) => part?.status === "warn" || part?.status === "fail";
  for (const problem of isBad(backups) ? (backups.problems ?? []) : [])
    reasons.push({ component: "backups", status: "warn", detail: problem });
  if (isBad(certificate)) {
    const detail = `the edge's certificate: ${left(certificate.ends, now).toLowerCase()}`;
    reasons.push({ component: "certificate", status: certificate.status, detail });
  }
  if (isBad(tunnel)) reasons.push({ component: "tunnel", status: "fail", detail: tunnel.reason });
  const told = new Set(reasons.map(({ component }) => component));
  for (const { name, severity, summary, runbook } of alerts?.firing ?? []) {
    const about = /^(Backup|Certificate|Tunnel)/.exec(name)?.[1]?.toLowerCase() ?? "";
    if (told.has(about) || told.has(`${about}s`)) continue;
    const status = severity === "critical" ? "fail" : "warn";
    reasons.push({ component: name, status, detail: summary, ...(runbook ? { todo: runbook } : {}) });
  }
  // What nobody can judge is not well: a row of tiles beside "All is well." would say two things.
  if (backups?.status === "unknown")
    reasons.push({ component: "backups", status: "warn", detail: "the backup room does not answer" });
  if (alerts?.status === "unknown") {
    const detail = "some alert rules are not judged, so silence means nothing";
    reasons.push({ component: "alerts", status: "warn", detail, todo: "npm run alerts" });
  }
  return reasons.sort((a, b) => Number(b.status === "fail") - Number(a.status === "fail"));
}
