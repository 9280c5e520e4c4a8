/**
 * Of all tabs of a browser that share a name, one leads: it holds a Web Lock. The others hear it on a BroadcastChannel.
 * A leader that closes or crashes loses its lock at once. One that hangs or is frozen keeps it; it does not answer then,
 * and the lock is taken from it.
 */

/** How often a tab that does not lead looks after the leader, in ms. */
const PING_MS = 1000;
/** A leader that was heard within so many ms is not asked: a busy stream needs no pings. */
const RECENT_MS = 500;
/**
 * How long a leader may leave a ping without an answer, in ms, and how much longer by chance: not all take over at once.
 * A leader that hangs is asked after PING_MS + RECENT_MS at the latest, and all together has to stay below 5 s.
 */
const SILENCE_MS = 2400;
const SILENCE_SPREAD_MS = 800;
/** A timer that is later than so many ms has slept: the leader's answers may still wait to be read. */
const LATE_MS = 2000;

/**
 * @typedef {object} TabsOptions
 * @property {string} name
 * @property {(signal: AbortSignal) => Promise<void>} lead does the leader's work until the signal ends it.
 * @property {(message: any) => void} onMessage what the leader says.
 * @property {(message: any) => void} onRequest what another tab asks of this one while it leads.
 * @property {() => unknown} greeting what a tab needs to know that has just come.
 */

/** Whether tabs can find each other here: only in secure contexts, and not in every browser. */
export const canShare = () => Boolean(globalThis.navigator?.locks && globalThis.BroadcastChannel);

/** A browser in which the site's storage is blocked has locks and channels, and refuses each use of them. @param {unknown} error */
const isRefused = (error) => error instanceof DOMException && error.name === "SecurityError";

/**
 * @param {string} name
 * @returns {BroadcastChannel | undefined} undefined: the browser refuses it.
 */
export function openChannel(name) {
  try {
    return new BroadcastChannel(name);
  } catch (error) {
    if (!isRefused(error)) throw error;
    return undefined;
  }
}

/**
 * Works while no other tab works under this name, or at once where the browser knows no locks.
 * @template T
 * @param {string} name
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function alone(name, work) {
  if (!canShare()) return work();
  let isGranted = false;
  try {
    return await navigator.locks.request(name, () => {
      isGranted = true;
      return work();
    });
  } catch (error) {
    if (isGranted || !isRefused(error)) throw error;
    return work();
  }
}

export class Tabs {
  /** @type {TabsOptions} */
  #options;
  #id = crypto.randomUUID();
  /** @type {string | undefined} */
  #leader;
  /** @type {BroadcastChannel | undefined} */
  #channel;
  #stop = new AbortController();
  /** Ends this tab's lead. */
  #term = new AbortController();
  /** Ends the wait for the lock. */
  #queue = new AbortController();
  /** Set while this page is put away: settled when it is back. */
  /** @type {PromiseWithResolvers<void> | undefined} */
  #back;
  #isTakingOver = false;
  #heardAt = 0;
  /**
   * Ends the patience with a leader that was asked and has not answered.
   * @type {ReturnType<typeof setTimeout> | undefined}
   */
  #patience;

  #isShared;

  /**
   * @param {TabsOptions} options
   * @param {boolean} isShared false: this tab leads alone, whatever others do.
   */
  constructor(options, isShared) {
    this.#options = options;
    this.#isShared = isShared && canShare();
  }

  get isLeading() {
    return this.#leader === this.#id;
  }

  /** Runs until stop(). */
  async run() {
    const { signal } = this.#stop;
    if (this.#isShared) await this.#share(signal);
    if (signal.aborted) return;
    // It is told to lead alone, or the browser refuses what tabs find each other by.
    this.#leader = this.#id;
    await this.#options.lead(signal);
  }

  /**
   * Resolves when the signal ends it, or the browser refuses it.
   * @param {AbortSignal} signal
   */
  async #share(signal) {
    this.#channel = openChannel(this.#options.name);
    if (!this.#channel) return;
    this.#channel.onmessage = ({ data }) => this.#hear(data);
    const timer = setInterval(() => this.#look(), PING_MS);
    const listening = this.#followLifecycle();
    this.#ask();
    try {
      while (!signal.aborted) await this.#waitAndLead();
    } catch (error) {
      if (!isRefused(error)) throw error;
    } finally {
      listening.abort();
      clearInterval(timer);
      this.#answered();
      this.#channel.close();
      this.#channel = undefined;
    }
  }

  /** A page that goes into the back-forward cache, or is frozen, can be asked nothing: it lets another tab lead. */
  #followLifecycle() {
    const listening = new AbortController();
    const { signal } = listening;
    const leave = () => {
      this.#back ??= Promise.withResolvers();
      this.#term.abort();
      this.#queue.abort();
    };
    const comeBack = () => {
      this.#back?.resolve(undefined);
      this.#back = undefined;
    };
    addEventListener("pagehide", leave, { signal });
    document.addEventListener("freeze", leave, { signal });
    addEventListener("pageshow", comeBack, { signal });
    document.addEventListener("resume", comeBack, { signal });
    this.#stop.signal.addEventListener("abort", comeBack, { signal });
    return listening;
  }

  stop() {
    this.#stop.abort();
    this.#queue.abort();
    this.#term.abort();
  }

  /** Says something to all other tabs, as their leader. @param {unknown} message */
  tell(message) {
    if (this.isLeading) this.#post({ kind: "told", message });
  }

  /** Asks something of the leader. @param {unknown} message */
  request(message) {
    if (this.isLeading) this.#options.onRequest(message);
    else this.#post({ kind: "request", message });
  }

  async #waitAndLead() {
    await this.#back?.promise;
    if (this.#stop.signal.aborted) return;
    const steal = this.#isTakingOver;
    this.#isTakingOver = false;
    this.#queue = new AbortController();
    /** @type {Promise<void> | undefined} */
    let leading;
    const lead = () => (leading = this.#lead());
    try {
      const options = steal ? { steal } : { signal: this.#queue.signal };
      await navigator.locks.request(this.#options.name, options, lead);
    } catch (error) {
      // Another tab has taken the lock from this one, or this one no longer waits for it.
      if (!isAbort(error)) throw error;
    }
    this.#term.abort();
    await leading;
  }

  async #lead() {
    if (this.#stop.signal.aborted || this.#back) return;
    this.#term = new AbortController();
    this.#leader = this.#id;
    this.#greet();
    try {
      await this.#options.lead(this.#term.signal);
    } finally {
      if (this.isLeading) this.#leader = undefined;
    }
  }

  #look() {
    // What the leader says to one tab, all hear.
    if (!this.isLeading && performance.now() - this.#heardAt > RECENT_MS) this.#ask();
  }

  #ask() {
    if (this.#patience === undefined) {
      const patienceMs = SILENCE_MS + Math.random() * SILENCE_SPREAD_MS;
      const due = performance.now() + patienceMs;
      this.#patience = setTimeout(() => {
        this.#answered();
        if (this.isLeading) return;
        if (performance.now() - due > LATE_MS) this.#ask();
        else this.#takeOver();
      }, patienceMs);
    }
    this.#post({ kind: "ping" });
  }

  #takeOver() {
    this.#isTakingOver = true;
    this.#queue.abort();
  }

  #answered() {
    clearTimeout(this.#patience);
    this.#patience = undefined;
  }

  #greet() {
    this.#post({ kind: "told", message: this.#options.greeting() });
  }

  /** @param {{ kind: string, from: string, message?: unknown }} data */
  #hear({ kind, from, message }) {
    if (kind === "ping" && this.isLeading) this.#greet();
    else if (kind === "request" && this.isLeading) this.#options.onRequest(message);
    else if (kind === "told") {
      this.#answered();
      this.#heardAt = performance.now();
      // Two lead for a moment while the lock changes hands. Their batches fit together by their cursors.
      if (this.isLeading) return;
      this.#leader = from;
      this.#options.onMessage(message);
    }
  }

  /** @param {object} data */
  #post(data) {
    this.#channel?.postMessage({ ...data, from: this.#id });
  }
}

/** @param {unknown} error */
const isAbort = (error) => error instanceof DOMException && error.name === "AbortError";
