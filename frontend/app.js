/** The front page: what this service is, how it is now, and what happens in it. */
import { connectAccount, onUserGone, showAccount } from "./js/account.js";
import { openReports } from "./js/consent.js";
import { ConnectionNotes } from "./js/diag/connection-notes.js";
import { hideDiagnostics, onSubmit } from "./js/dom.js";
import { oneAtATime } from "./js/one-at-a-time.js";
import { Outage } from "./js/outage.js";
import { PageHealth } from "./js/page-health.js";
import { isPublic, leavePublic, showPublic } from "./js/public.js";
import { Redactor } from "./js/secrets.js";
import { keepLast, lastKnown, noteLevel, noteService, openShell, showFailure } from "./js/shell.js";
import { recall, remember } from "./js/storage.js";
import { isFinalRefusal } from "./js/transport/attempts.js";
import { ApiError, ConnectionManager } from "./js/transport/connection-manager.js";
import * as view from "./js/view.js";

/** @typedef {import("./js/reporter.js").Reporter} Reporter */

async function main() {
  const redactor = new Redactor();
  const health = new PageHealth(redactor.redact);
  health.start();
  const config = await openShell();
  view.showExamples(config.apiBaseUrl);
  const key = `cursor ${config.apiBaseUrl}`;
  const client = crypto.randomUUID();
  const connection = new ConnectionManager({
    url: config.apiBaseUrl,
    authMode: config.authMode,
    heartbeatSeconds: config.heartbeatSeconds,
    pollSeconds: config.pollSeconds,
    streams: config.features.stream,
    shared: config.shareTabs,
    topics: config.topics,
    cursor: recall("sessionStorage", key),
    client,
    measureSeconds: 0,
  });
  const reporter = openReports({ connection, health, redactor, client, isAllowed: config.features.reports });
  connection.on("cursor", ({ cursor }) => remember("sessionStorage", key, cursor));
  follow(connection, reporter, config);
  connectForms(connection, config);

  if (!config.features.diagnostics) hideDiagnostics();
  // What is asked until it is answered: the first question may fall into an outage.
  const open = new Set([oneAtATime(() => askService(connection, config))]);
  if (!config.features.public) leavePublic();
  else if (isPublic()) open.add(oneAtATime(() => showPublic(connection.api)));
  const how = oneAtATime(() => askHow(connection, reporter, config));
  const ask = () => {
    void how.ask();
    for (const question of open)
      void question.ask().then((isAnswered) => isAnswered && open.delete(question));
  };
  ask();
  setInterval(() => {
    if (document.visibilityState === "visible") ask();
  }, config.measureSeconds * 1000);
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") ask();
  });
  addEventListener("online", ask);
  connection.start();
}

/**
 * Says where the API is of another stack than the page, or takes other logins.
 * @param {ConnectionManager} connection
 * @param {import("./js/config.js").RuntimeConfig} config
 * @returns {Promise<boolean>} whether it need not be asked again: what is not as it should be may be mended meanwhile
 */
async function askService({ api }, config) {
  try {
    return noteService(config, await api.get("/api/diag"));
  } catch (error) {
    return isFinalRefusal(error);
  }
}

/**
 * Shows the verdict.
 * @param {ConnectionManager} connection
 * @param {Reporter} reporter
 * @param {import("./js/config.js").RuntimeConfig} config
 */
async function askHow({ api, session, clock }, reporter, config) {
  try {
    const asked = performance.now();
    const summary = await api.get("/api/diag/health-summary");
    const took = performance.now() - asked;
    reporter.answered(took);
    clock.answered(took, Date.parse(summary.time));
    view.showSummary(summary);
    keepLast(config, summary);
    noteLevel(summary);
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) await session.check().catch(() => undefined);
    else if (navigator.onLine) view.showUnreachable(undefined, lastKnown(config));
  }
}

/**
 * @param {ConnectionManager} connection
 * @param {Reporter} reporter
 * @param {import("./js/config.js").RuntimeConfig} config
 */
function follow(connection, reporter, config) {
  const outage = new Outage(view.showNotice);
  const notes = new ConnectionNotes(config.features.stream);
  connection.on("event", (event) => {
    outage.count();
    if (!event.isLate) reporter.arrived(event.id, connection.clock);
    view.addEvent(event);
  });
  connection.on("reset", ({ reason }) => {
    outage.lost();
    view.addGap(reason);
  });
  onUserGone(connection, view.clearEvents);
  connection.on("session", () => {
    showAccount(connection.session);
    showSend(connection, config);
  });
  connection.on("state", (change) => {
    const { state, reason, retryMs = 0, failures = 0 } = change;
    view.showConnection(change);
    // One connection of all tabs is lost once, however many attempts are in vain.
    if (notes.take(change)?.isLoss && change.isLeading) reporter.lost(reason);
    if (state === "live" || state === "degraded") outage.end();
    else if (!navigator.onLine) {
      outage.begin("This device is offline. Events come when it is back.");
      view.showUnreachable("Not known while this device is offline.", lastKnown(config));
    } else if (failures > 0 && reason !== undefined) {
      const seconds = Math.max(1, Math.round(retryMs / 1000));
      outage.begin("The service cannot be reached. Events come when it is back.");
      view.showRetry(`Trying again in ${seconds} s.`);
    }
  });
}

/**
 * @param {ConnectionManager} connection
 * @param {import("./js/config.js").RuntimeConfig} config
 */
function connectForms(connection, config) {
  connectAccount(connection.session);
  showSend(connection, config);
  onSubmit("send", async ({ type = "", data = "" }) => {
    view.showSent(await send(connection, type, data));
  });
}

/**
 * @param {ConnectionManager} connection
 * @param {import("./js/config.js").RuntimeConfig} config
 */
const showSend = ({ session }, { features }) => view.showSend(features.publish && !session.isNeeded);

/**
 * @param {ConnectionManager} connection
 * @param {string} type
 * @param {string} text
 * @returns {Promise<string>} the result, for the person.
 */
async function send(connection, type, text) {
  let data;
  try {
    data = JSON.parse(text);
  } catch {
    return 'The data is not JSON. A text needs quotes: "hello".';
  }
  try {
    const { id } = await connection.publish({ type, data });
    return `On disk as ${id}.`;
  } catch (error) {
    return error instanceof ApiError ? error.message : "Not sent: the service cannot be reached.";
  }
}

main().catch(showFailure);
