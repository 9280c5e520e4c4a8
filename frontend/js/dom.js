/** The few ways in which a page changes its document: text into elements that its HTML has, never markup. */

/**
 * @param {string} id
 * @returns {HTMLElement}
 * @throws {Error} when the page's HTML has no such element.
 */
export const at = (id) => {
  const element = document.getElementById(id);
  if (!element) throw new Error(`This page has no #${id}.`);
  return element;
};

/**
 * @param {string} id
 * @param {string} text
 */
export const write = (id, text) => {
  const element = at(id);
  // The same text is not written again, because a screen reader would read it again.
  if (element.textContent !== text) element.textContent = text;
};

/**
 * @param {string} id
 * @param {string} text
 * @param {string} status pass, warn, fail or unknown: its colour.
 */
export function writeStatus(id, text, status) {
  write(id, text);
  at(id).dataset["status"] = status;
}

/**
 * @param {string} tag
 * @param {string} [text]
 * @param {Readonly<Record<string, string>>} [attributes]
 */
export function element(tag, text, attributes = {}) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

/** Takes away the ways to a page that this stack does not have. */
export function hideDiagnostics() {
  for (const link of document.querySelectorAll(
    'nav a[href="diagnostics.html"], .ways a[href="diagnostics.html"]',
  ))
    link.remove();
}

/** A time of day, as the reader's country writes it. */
export const time = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });

/** @param {number} seconds */
export function span(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  if (whole < 86_400) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  return `${Math.floor(whole / 86_400)} d ${Math.floor((whole % 86_400) / 3600)} h`;
}

/** @param {number | undefined} ms */
export const millis = (ms) =>
  ms === undefined ? "—" : ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`;

/**
 * @param {string} id of a form.
 * @param {(values: Record<string, string>) => Promise<void>} handle
 */
export function onSubmit(id, handle) {
  const form = /** @type {HTMLFormElement} */ (at(id));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    if (!button || button.disabled) return;
    button.disabled = true;
    const values = Object.fromEntries([...new FormData(form)].map(([key, value]) => [key, String(value)]));
    void handle(values).finally(() => (button.disabled = false));
  });
}
