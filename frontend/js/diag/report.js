/** The report to hand to whoever helps: what is seen here, without contents of events. Secrets and names are taken out of it afterwards. */
import { AROUND, tileOf } from "./around.js";

/**
 * @param {object} seen
 * @param {import("../config.js").RuntimeConfig} seen.config
 * @param {import("../transport/connection-manager.js").ConnectionManager} seen.connection
 * @param {import("../page-health.js").PageHealth} seen.health
 * @param {import("./timeline.js").Timeline} seen.timeline
 * @param {readonly { name: string, status: string, text: string }[]} seen.results
 * @param {any} seen.summary
 * @param {any} seen.diag
 * @returns {string}
 */
export function reportOf({ config, connection, health, timeline, results, summary, diag }) {
  const { reasons, ...measured } = connection.quality;
  const quality = { ...measured, history: measured.history.length };
  const lines = [
    `OmniAI report, ${new Date().toISOString()}`,
    `stack ${config.stack}, API ${config.apiBaseUrl}, page ${location.origin}${location.pathname}`,
    `browser ${navigator.userAgent}`,
    "",
    `verdict: ${summary ? `${summary.status}: ${summary.verdict}` : "not known"}`,
    ...(summary?.reasons ?? []).map(
      (/** @type {any} */ each) => `  ${each.component}: ${each.status} ${each.detail ?? ""}`,
    ),
    `build: ${diag ? `${diag.version} ${diag.build} on ${diag.replica}, up ${diag.uptimeSeconds} s` : "not known"}`,
    `database: ${diag ? JSON.stringify(pick(diag.database)) : "not known"}`,
    `redis: ${diag ? JSON.stringify(pick(diag.redis)) : "not known"}`,
    ...(diag
      ? AROUND.map((name) => `${name}: ${textOf(tileOf(name, diag[name], connection.session.state))}`)
      : []),
    "",
    `connection: ${JSON.stringify(connection.state)}`,
    `quality: ${JSON.stringify(quality)}`,
    ...reasons.map(({ code, cost, text }) => `  -${cost} ${code}: ${text}`),
    `auth: mode ${connection.session.state.mode}, ${connection.session.state.authenticated ? "signed in" : "signed out"}`,
    "",
    "tests:",
    ...(results.length > 0
      ? results.map((each) => `  ${each.status}: ${each.name}: ${each.text}`)
      : ["  not run"]),
    "",
    `page: ${health.memory ?? "?"} bytes of heap, ${health.longTasks} long tasks, the longest ${Math.round(health.longestTaskMs)} ms`,
    ...health.errors.map(({ kind, text, count }) => `  ${count} × ${kind}: ${text}`),
    "",
    "timeline:",
    ...timeline.entries.slice(-50).map(({ at, text }) => `  ${new Date(at).toISOString()} ${text}`),
  ];
  return lines.join("\n");
}

/** @param {import("./around.js").Tile} tile */
const textOf = ({ text, more }) => `${text}, ${more}`;

/** @param {any} part */
const pick = ({ status, version, latencyMs }) => ({ status, version, latencyMs });
