/** How this very page is: its memory, what blocked it, and the errors in it, counted and grouped. */

const MOST_GROUPS = 30;

/** @typedef {{ kind: "error" | "console" | "network", text: string, count: number, last: number }} ErrorGroup */
/** @typedef {Pick<ErrorGroup, "kind" | "text"> & { source?: string, line?: number, column?: number, path?: string }} PageError path: of the request that failed. */

export class PageHealth {
  /** @type {Map<string, ErrorGroup>} */
  #groups = new Map();
  longTasks = 0;
  longestTaskMs = 0;
  /**
   * Called when there is a new kind of error.
   * @type {(group: ErrorGroup) => void}
   */
  onError = () => {};
  /**
   * Called for each error.
   * @type {(error: PageError) => void}
   */
  onEach = () => {};
  #redact;

  /** @param {(text: string) => string} redact takes out of a text what nobody may see. */
  constructor(redact) {
    this.#redact = redact;
  }

  start() {
    addEventListener("error", ({ message, filename, lineno, colno }) => {
      // A file that did not arrive has no message: the observer below counts it.
      if (message === undefined) return;
      const at = filename ? { source: nameOf(filename), line: lineno, column: colno } : {};
      this.#count({ kind: "error", text: message, ...at });
    });
    addEventListener("unhandledrejection", ({ reason }) =>
      this.#count({ kind: "error", text: String(reason) }),
    );
    const { error } = console;
    console.error = (...parts) => {
      this.#count({ kind: "console", text: parts.map(String).join(" ") });
      error.apply(console, parts);
    };
    observe("longtask", ({ duration }) => {
      this.longTasks += 1;
      this.longestTaskMs = Math.max(this.longestTaskMs, duration);
    });
    observe("resource", (entry) => {
      const { name, responseStatus, initiatorType } = /** @type {PerformanceResourceTiming} */ (entry);
      // Requests of scripts tell it themselves: of one without any answer there is nothing to read here.
      if (responseStatus < 400 || initiatorType === "fetch") return;
      const path = nameOf(name);
      this.#count({ kind: "network", text: `GET ${path}: ${responseStatus}`, path });
    });
  }

  /** Counts the requests of the page that fail. @param {import("./transport/api.js").Api} api */
  watch(api) {
    api.onFailure = ({ method, path, what }) =>
      this.#count({ kind: "network", text: `${method} ${path}: ${what}`, path });
  }

  /** The most frequent first. @returns {ErrorGroup[]} */
  get errors() {
    return [...this.#groups.values()].sort((left, right) => right.count - left.count);
  }

  /** In bytes; undefined where the browser does not say. @returns {number | undefined} */
  get memory() {
    return /** @type {any} */ (performance).memory?.usedJSHeapSize;
  }

  /** @param {PageError} error */
  #count({ text: whole, ...rest }) {
    // Before it is cut: what is left of a secret would not look like one.
    const text = this.#redact(whole);
    this.onEach({ text, ...rest });
    const { kind, source, line } = rest;
    const short = (source ? `${text} (${source}:${line})` : text).slice(0, 200);
    const key = `${kind} ${alike(short)}`;
    const known = this.#groups.get(key);
    if (known) {
      known.count += 1;
      known.last = Date.now();
    } else if (this.#groups.size < MOST_GROUPS) {
      const group = { kind, text: short, count: 1, last: Date.now() };
      this.#groups.set(key, group);
      this.onError(group);
    }
  }
}

/** Numbers that differ from time to time would make each error a kind of its own. Answers differ by theirs. @param {string} text */
export const alike = (text) => text.replace(/(?<!: )\d{3,}/g, "#");

/** Without the query, which may hold what is nobody's business. @param {string} url */
function nameOf(url) {
  return URL.canParse(url) ? new URL(url).pathname : url;
}

/**
 * @param {string} type
 * @param {(entry: PerformanceEntry) => void} take
 */
function observe(type, take) {
  if (!PerformanceObserver.supportedEntryTypes.includes(type)) return;
  new PerformanceObserver((list) => list.getEntries().forEach(take)).observe({ type, buffered: true });
}
