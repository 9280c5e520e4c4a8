/** What happened since this page was opened, and before a reload of it. */
import { at, element, time } from "../dom.js";
import { recall, remember } from "../storage.js";

const MOST = 150;
const KEY = "omniai timeline";

/** @typedef {{ at: number, kind: "good" | "warn" | "bad" | "note", text: string }} Entry */

export class Timeline {
  /** @type {Entry[]} */
  entries = kept();

  #redact;

  /** @param {(text: string) => string} redact takes out of a text what nobody may see: it is kept over a reload. */
  constructor(redact) {
    this.#redact = redact;
    for (const entry of this.entries) this.#show(entry);
    at("timeline-empty").hidden = this.entries.length > 0;
  }

  /**
   * @param {Entry["kind"]} kind
   * @param {string} text
   */
  add(kind, text) {
    const entry = { at: Date.now(), kind, text: this.#redact(text) };
    this.entries.push(entry);
    if (this.entries.length > MOST) this.entries.shift();
    this.#show(entry);
    at("timeline-empty").hidden = true;
    remember("sessionStorage", KEY, JSON.stringify(this.entries));
  }

  /** @param {Entry} entry */
  #show({ at: when, kind, text }) {
    const list = at("timeline");
    const item = element("li", undefined, { "data-kind": kind });
    const stamp = element("time", time.format(when), { datetime: new Date(when).toISOString() });
    item.append(stamp, " ", element("span", text));
    list.prepend(item);
    while (list.children.length > MOST) list.lastElementChild?.remove();
  }
}

/** @returns {Entry[]} */
function kept() {
  try {
    const entries = JSON.parse(recall("sessionStorage", KEY) ?? "[]");
    return Array.isArray(entries) ? entries.slice(-MOST) : [];
  } catch {
    return [];
  }
}
