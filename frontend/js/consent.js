/** Whether this page may report: its user says so, beside what the page's config allows. */
import { at } from "./dom.js";
import { recall, remember } from "./storage.js";

const KEY = "omniai reports";

/**
 * Starts the reports where they are allowed, and lets the user turn them off and on. A browser that asks all sites not to pass
 * anything on (Global Privacy Control) is taken by its word until its user decides here.
 * @param {import("./reporter.js").Reporter} reporter
 * @param {boolean} isAllowed by the page's config.
 */
export function connectReports(reporter, isAllowed) {
  if (!isAllowed) return;
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
