/** What this page reports, and whether it may: its user says so, beside what the page's config allows. */
import { at } from "./dom.js";
import { Reporter } from "./reporter.js";
import { recall, remember } from "./storage.js";

const KEY = "omniai reports";

/**
 * Has each error of the page reported, without what nobody may see, as far as it may report.
 * @param {object} page
 * @param {import("./transport/connection-manager.js").ConnectionManager} page.connection
 * @param {import("./page-health.js").PageHealth} page.health
 * @param {import("./secrets.js").Redactor} page.redactor
 * @param {string} page.client a random name of this page.
 * @param {boolean} page.isAllowed by the page's config.
 * @returns {Reporter} also for what else the page sees of its connection.
 */
export function openReports({ connection, health, redactor, client, isAllowed }) {
  connection.on("session", ({ name }) => redactor.meet(name));
  health.watch(connection.api);
  const reporter = new Reporter(connection.api, client, redactor.redact);
  health.onEach = (error) => reporter.error(error);
  if (isAllowed) connectReports(reporter);
  return reporter;
}

/**
 * Starts the reports, and lets the user turn them off and on. A browser that asks all sites not to pass
 * anything on (Global Privacy Control) is taken by its word until its user decides here.
 * @param {Reporter} reporter
 */
function connectReports(reporter) {
  const box = /** @type {HTMLInputElement} */ (at("reports"));
  const asksNotTo = /** @type {any} */ (navigator).globalPrivacyControl === true;
  box.checked = decided() ?? !asksNotTo;
  at("reports-choice").hidden = false;
  reporter.start();
  if (!box.checked) reporter.turn(false);
  box.addEventListener("change", () => {
    reporter.turn(box.checked);
    remember("localStorage", KEY, box.checked ? "yes" : "no");
  });
  const look = () => {
    const isWanted = decided();
    if (isWanted === undefined || isWanted === box.checked) return;
    box.checked = isWanted;
    reporter.turn(isWanted);
  };
  // It is decided for all tabs. One that was put away hears of nothing until it is back.
  addEventListener("storage", look);
  addEventListener("pageshow", ({ persisted }) => persisted && look());
}

/** @returns {boolean | undefined} undefined: the user has decided nothing, or the browser does not keep it. */
function decided() {
  const kept = recall("localStorage", KEY);
  return kept === undefined ? undefined : kept === "yes";
}
