/** How this very page is: its memory, what blocked it, and the errors in it, counted and grouped. */

const MOST_GROUPS = 30;

/** @typedef {{ kind: "error" | "console" | "network", text: string, count: number, last: number }} ErrorGroup */

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

  start() {
    addEventListener("error", ({ message, filename, lineno }) =>
      this.#count("error", filename ? `${message} (${nameOf(filename)}:${lineno})` : message),
    );
    addEventListener("unhandledrejection", ({ reason }) => this.#count("error", String(reason)));
    const { error } = console;
    console.error = (...parts) => {
      this.#count("console", parts.map(String).join(" "));
      error.apply(console, parts);
    };
    observe("longtask", ({ duration }) => {
      this.longTasks += 1;
      this.longestTaskMs = Math.max(this.longestTaskMs, duration);
    });
    observe("resource", (entry) => {
      const { name, responseStatus } = /** @type {PerformanceResourceTiming} */ (entry);
      if (responseStatus >= 400) this.#count("network", `${responseStatus} ${nameOf(name)}`);
    });
  }

  /** The most frequent first. @returns {ErrorGroup[]} */
  get errors() {
    return [...this.#groups.values()].sort((left, right) => right.count - left.count);
  }

  /** In bytes; undefined where the browser does not say. @returns {number | undefined} */
  get memory() {
    return /** @type {any} */ (performance).memory?.usedJSHeapSize;
  }

  /**
   * @param {ErrorGroup["kind"]} kind
   * @param {string} text
   */
  #count(kind, text) {
    // Numbers that differ from time to time would make each error a kind of its own.
    const short = text.slice(0, 200);
    const key = `${kind} ${short.replace(/\d{3,}/g, "#")}`;
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
