/** Charts over time, drawn by uPlot. It is fetched after the page is there: nothing but charts waits for it. */
import { at, write } from "../dom.js";

/** What npm's package holds; infra/test/pages.test.ts compares. A file that is another one is not run. */
const SCRIPT = {
  src: "vendor/uplot.js",
  integrity: "sha384-Gx3t0zdBAuQOuvvmaLZj7HKEiSgWTAs+VdtNY7wt19QDPTDQjFIwAuXDj0zeN00c",
};
const STYLE = {
  href: "vendor/uplot.css",
  integrity: "sha384-IfV0B7MIOYuO95kO9G5ySKPz/85zqFNOAs8iy4tkK5zd9izhJAB8b7lHrwYqqmYE",
};

/** @typedef {{ label: string, colour: string, isFilled?: boolean }} Line colour: the name of a variable of style.css. */

/** @type {Promise<any> | undefined} */
let loading;

/** @returns {Promise<any>} uPlot's constructor. */
function loadUplot() {
  // The style first: without it what is drawn would move when it comes.
  loading ??= arrived(document.createElement("link"), { rel: "stylesheet", ...STYLE })
    .then(() => arrived(document.createElement("script"), SCRIPT))
    .then(() => /** @type {any} */ (globalThis)["uPlot"]);
  return loading;
}

/**
 * @param {HTMLElement} node
 * @param {object} attributes
 * @returns {Promise<unknown>}
 */
function arrived(node, attributes) {
  return new Promise((resolve, reject) => {
    node.onload = resolve;
    node.onerror = () => reject(new Error("the charts could not be loaded"));
    document.head.append(Object.assign(node, attributes));
  });
}

export class Chart {
  #id;
  #lines;
  #range;
  /** @type {any} */
  #plot;
  /** @type {(number | null)[][]} */
  #data = [];
  #isTold = false;

  /**
   * @param {string} id of the figure's box; `<id>-text` says the same in words.
   * @param {readonly Line[]} lines
   * @param {[number, number]} [range] of the values; default: from 0 to what there is.
   */
  constructor(id, lines, range) {
    this.#id = id;
    this.#lines = lines;
    this.#range = range;
    new ResizeObserver(() => this.#resize()).observe(at(id));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#draw());
  }

  /**
   * @param {(number | null)[][]} data the times in s since the epoch, then the values of each line.
   * @param {string} text what it shows, in words.
   */
  show(data, text) {
    // uPlot draws a day around a single time.
    const isFirst = data[0]?.length === 1;
    this.#data = isFirst
      ? data.map(([value = null], line) => [line === 0 ? Number(value) - 60 : null, value])
      : data;
    write(`${this.#id}-text`, text);
    if (this.#plot) this.#plot.setData(this.#data);
    else void this.#load();
  }

  async #load() {
    if (this.#isTold) return;
    this.#isTold = true;
    try {
      await loadUplot();
      this.#draw();
    } catch {
      at(this.#id).textContent = "The chart could not be loaded. The numbers are beside it.";
    }
  }

  #resize() {
    const { clientWidth: width, clientHeight: height } = at(this.#id);
    if (this.#plot && width > 0) this.#plot.setSize({ width, height });
  }

  #draw() {
    const Plot = /** @type {any} */ (globalThis)["uPlot"];
    if (!Plot) return;
    this.#plot?.destroy();
    const box = at(this.#id);
    const colour = (/** @type {string} */ name) => resolved(box, name);
    const axis = {
      stroke: colour("--faint"),
      grid: { stroke: colour("--line"), width: 1 },
      ticks: { show: false },
    };
    const rtl = getComputedStyle(document.documentElement).direction === "rtl";
    this.#plot = new Plot(
      {
        width: box.clientWidth,
        height: box.clientHeight,
        legend: { show: false },
        cursor: { show: false },
        // Beside the side that has no axis: half of a time of day with AM or PM has to fit.
        padding: rtl ? [10, 0, 0, 34] : [10, 34, 0, 0],
        scales: {
          // At least a minute, so that the first measurements have a place.
          x: {
            range: (/** @type {any} */ _, /** @type {number} */ low, /** @type {number} */ high) => [
              Math.min(low, high - 60),
              high,
            ],
          },
          y: {
            range:
              this.#range ??
              ((/** @type {any} */ _, /** @type {number} */ __, /** @type {number} */ high) => [
                0,
                Math.max(10, (high ?? 0) * 1.15),
              ]),
          },
        },
        axes: [
          { ...axis, grid: { show: false }, size: 28, space: 90, values: clockTimes },
          { ...axis, size: 44, side: rtl ? 1 : 3 },
        ],
        series: [
          {},
          ...this.#lines.map(({ label, colour: name, isFilled }) => ({
            label,
            stroke: colour(name),
            width: 2,
            ...(isFilled ? { fill: `color-mix(in srgb, ${colour(name)} 16%, transparent)` } : {}),
            points: { show: (/** @type {any} */ plot) => plot.data[0].length < 3 },
            spanGaps: false,
          })),
        ],
      },
      this.#data,
      box,
    );
  }
}

/**
 * @param {unknown} _
 * @param {readonly number[]} stamps in s since the epoch.
 */
const clockTimes = (_, stamps) => {
  const isFine = (stamps[1] ?? 0) - (stamps[0] ?? 0) < 60;
  const clock = new Intl.DateTimeFormat(undefined, { timeStyle: isFine ? "medium" : "short" });
  return stamps.map((stamp) => clock.format(stamp * 1000));
};

/**
 * A colour of the present theme, which a canvas can take: light-dark() is for style sheets alone.
 * @param {HTMLElement} box
 * @param {string} name
 */
function resolved(box, name) {
  const probe = document.createElement("i");
  probe.style.color = `var(${name})`;
  box.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}
