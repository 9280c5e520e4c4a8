/** The diagnostics page: how everything is that can be seen from here, why, and what to do. */
import { connectAccount, onUserGone, showAccount } from "./js/account.js";
import { openReports } from "./js/consent.js";
import { reasonsAround, showAround } from "./js/diag/around.js";
import { runChecks } from "./js/diag/checks.js";
import { ConnectionNotes } from "./js/diag/connection-notes.js";
import * as panel from "./js/diag/panel.js";
import { reportOf } from "./js/diag/report.js";
import { Timeline } from "./js/diag/timeline.js";
import { at, write } from "./js/dom.js";
import { oneAtATime } from "./js/one-at-a-time.js";
import { PageHealth } from "./js/page-health.js";
import { Redactor } from "./js/secrets.js";
import {
  keepLast,
  lastKnown,
  noteLevel,
  noteService,
  openShell,
  showClosed,
  showFailure,
} from "./js/shell.js";
import { ApiError, ConnectionManager } from "./js/transport/connection-manager.js";
import { showConnection } from "./js/view.js";

/** How soon after it is opened a stream is counted everywhere, in ms. */
const COUNTED_MS = 1500;
/** Of how many seconds the rate of events is the mean. */
const RATE_SECONDS = 60;

/** What is known now: for the report. */
const seen = {
  /** @type {any} */ summary: undefined,
  /** @type {any} */ diag: undefined,
  /** The build that answered last, also while nothing answers. */
  /** @type {string | undefined} */ build: undefined,
  /** @type {{ name: string, status: string, text: string }[]} */ results: [],
};

/** @typedef {import("./js/reporter.js").Reporter} Reporter */

async function main() {
  const redactor = new Redactor();
  const health = new PageHealth(redactor.redact);
  health.start();
  const timeline = new Timeline(redactor.redact);
  const config = await openShell();
  if (!config.features.diagnostics) return showClosed();
  const client = crypto.randomUUID();
  const connection = new ConnectionManager({
    url: config.apiBaseUrl,
    authMode: config.authMode,
    heartbeatSeconds: config.heartbeatSeconds,
    pollSeconds: config.pollSeconds,
    streams: config.features.stream,
    client,
    measureSeconds: config.measureSeconds,
    shared: config.shareTabs,
    topics: config.topics,
  });
  const reporter = openReports({ connection, health, redactor, client, isAllowed: config.features.reports });
  connectAccount(connection.session);
  if (config.webPush)
    void import("./js/diag/push.js").then(({ connectPush }) =>
      connectPush({ connection, diag: () => seen.diag }),
    );
  follow(connection, reporter, timeline, config);
  health.onError = ({ kind, text }) => {
    timeline.add("bad", `Error (${kind}): ${text}`);
    panel.showPage(health, connection);
  };

  const { ask, askAnew } = oneAtATime(async () => {
    await askHow(connection, timeline, config);
    panel.showPage(health, connection);
  });
  void ask();
  setInterval(() => document.visibilityState === "visible" && void ask(), config.measureSeconds * 1000);
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && void ask());
  onUserGone(connection, () => {
    seen.diag = undefined;
    panel.forgetReader();
  });
  connection.on("session", () => void askAnew());
  let isKnown = false;
  connection.on("state", ({ state }) => {
    panel.showPage(health, connection);
    // The page's own stream is one of those that are counted.
    if (state === "live" && !isKnown) setTimeout(() => void askAnew(), COUNTED_MS);
    isKnown ||= state === "live";
  });
  at("test").addEventListener("click", () => void testAll({ connection, config }));
  at("copy").addEventListener(
    "click",
    () => void copy(redactor.redact(reportOf({ config, connection, health, timeline, ...seen }))),
  );
  connection.start();
}

/**
 * @param {ConnectionManager} connection
 * @param {Reporter} reporter
 * @param {Timeline} timeline
 * @param {import("./js/config.js").RuntimeConfig} config
 */
function follow(connection, reporter, timeline, config) {
  /** @type {number[]} */
  let arrivals = [];
  const notes = new ConnectionNotes(config.features.stream);
  connection.on("event", ({ id, isLate }) => {
    if (!isLate) reporter.arrived(id, connection.clock);
    arrivals.push(Date.now());
  });
  setInterval(() => {
    arrivals = arrivals.filter((when) => when > Date.now() - RATE_SECONDS * 1000);
    write("rate", (arrivals.length / RATE_SECONDS).toFixed(2));
  }, 1000);
  connection.on("reset", ({ reason }) =>
    timeline.add("bad", `Events were lost to this page for good (${reason}).`),
  );
  connection.on("session", ({ authenticated }) => {
    showAccount(connection.session);
    timeline.add("note", authenticated ? "Signed in." : "Nobody is signed in.");
  });
  connection.on("quality", (quality) => {
    if (quality.rttMs !== undefined) reporter.answered(quality.rttMs);
    panel.showQuality(quality, connection.state);
  });
  connection.on("state", (change) => {
    showConnection(change);
    panel.showQuality(connection.quality, change);
    const note = notes.take(change);
    if (!note) return;
    if (note.isLoss && change.isLeading) reporter.lost(change.reason);
    timeline.add(note.kind, note.text);
  });
}

/**
 * @param {ConnectionManager} connection
 * @param {Timeline} timeline
 * @param {import("./js/config.js").RuntimeConfig} config
 */
async function askHow({ api, session }, timeline, config) {
  const { id } = session.state;
  try {
    const [summary, diag, connections] = await Promise.all([
      api.get("/api/diag/health-summary"),
      api.get("/api/diag"),
      api.get("/api/diag/connections"),
    ]);
    // It is what another user may see, who has left meanwhile.
    if (id !== undefined && session.state.id !== id) return;
    noteChanges(seen, { summary, diag }, timeline);
    Object.assign(seen, { summary, diag, build: diag.build });
    noteService(config, diag);
    keepLast(config, summary);
    noteLevel(summary);
    panel.showSummary(summary, reasonsAround(diag));
    panel.showParts(diag, connections);
    showAround(diag, session.state);
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) await session.check().catch(() => undefined);
    else {
      const silence = panel.silenceOf(error, navigator.onLine);
      if (seen.summary?.status !== "away") timeline.add("bad", silence.verdict);
      // A report must not give what was known before for what is so now.
      seen.summary = { status: "away", verdict: silence.verdict, reasons: [] };
      seen.diag = undefined;
      panel.showSilence(silence, lastKnown(config));
    }
  }
}

/**
 * @param {{ summary: any, build: string | undefined }} before
 * @param {{ summary: any, diag: any }} now
 * @param {Timeline} timeline
 */
function noteChanges(before, now, timeline) {
  if (before.build !== undefined && before.build !== now.diag.build)
    timeline.add("note", `Deployed: ${now.diag.version} ${String(now.diag.build).slice(0, 8)} answers now.`);
  const status = before.summary?.status;
  if (status !== undefined && status !== now.summary.status)
    timeline.add(
      now.summary.status === "pass" ? "good" : "warn",
      `The verdict changed: ${now.summary.verdict}`,
    );
}

/** @param {import("./js/diag/checks.js").Place} place */
async function testAll(place) {
  const button = /** @type {HTMLButtonElement} */ (at("test"));
  button.disabled = true;
  panel.beginTests();
  seen.results = [];
  await runChecks(place, (name) => {
    const row = panel.addTest(name);
    return (result) => {
      seen.results.push({ name, ...result });
      panel.endTest(row, result);
    };
  });
  panel.endTests(seen.results);
  button.disabled = false;
}

/** @param {string} text */
async function copy(text) {
  const told = at("copied");
  told.hidden = false;
  try {
    await navigator.clipboard.writeText(text);
    told.textContent = "The report is in the clipboard. It holds no passwords, tokens or contents of events.";
  } catch {
    // Without https there is no clipboard: a file does as well.
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
    link.download = "omniai-report.txt";
    link.click();
    told.textContent =
      "The report is saved as omniai-report.txt, because this browser gives no clipboard here.";
  }
}

main().catch(showFailure);
