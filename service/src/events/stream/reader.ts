/** Follows the event log. */
import { between, pause, reasonOf } from "../../platform/deadline.ts";
import type { Logger } from "../../platform/logging.ts";
import { BEGINNING, compareIds } from "../log/cursor.ts";
import type { Hub, ResetReason } from "./hub.ts";
import type { EventLog, LogEntry, LogState } from "../log/log.ts";

export interface ReaderOptions {
  readonly blockMs: number;
  readonly coalesceMs: number;
  /** Entries put into the hub's memory at the start. */
  readonly preload: number;
  /** And about the most bytes of them. */
  readonly preloadBytes: number;
}

export interface ReaderStatus {
  /** starting: the log was never reached; following: all is well; away: the log cannot be reached now. */
  readonly state: "starting" | "following" | "away";
  /** The time since the log last answered, in ms. */
  readonly silentMs: number;
  /** How many events of this epoch were fanned out; compared with the log's count it gives the lag. */
  readonly count: number;
}

/** How many entries one read gets: bounds what one fan-out writes to a client. */
const READ_LIMIT = 100;
/** The longest rest after a fan-out, in ms, however long that took. */
const MAX_REST_MS = 50;

/**
 * Follows the log with one blocking read at a time and hands its entries to the hub.
 *
 * It never skips anything in silence. Entries carry epoch and number, so the next entry shows that the log was flushed, or
 * that entries were trimmed before they were read. When a read brings nothing, or the log was away, it asks for the state.
 */
export class LogReader {
  readonly #log: EventLog;
  readonly #hub: Hub;
  readonly #options: ReaderOptions;
  readonly #logger: Logger;
  readonly #stop = new AbortController();
  #state: ReaderStatus["state"] = "starting";
  #number = 0;
  #answeredAt = performance.now();
  #restUntil = 0;
  #done: Promise<void> | undefined;

  constructor(log: EventLog, hub: Hub, options: ReaderOptions, logger: Logger) {
    this.#log = log;
    this.#hub = hub;
    this.#options = options;
    this.#logger = logger;
  }

  get status(): ReaderStatus {
    return { state: this.#state, silentMs: performance.now() - this.#answeredAt, count: this.#number };
  }

  start(): void {
    this.#done ??= this.#run();
  }

  /** Stops after the present read. The caller closes the log's connections to cut that short. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    let failures = 0;
    while (!signal.aborted) {
      try {
        await this.#step();
        failures = 0;
      } catch (error) {
        if (signal.aborted) break;
        if (this.#state === "following") this.#logger.warn({ reason: reasonOf(error) }, "event log lost");
        if (this.#state !== "starting") this.#state = "away";
        await pause(between(0.5, 1) * Math.min(1000, 50 * 2 ** Math.min(failures++, 5)), signal);
      }
    }
  }

  async #step(): Promise<void> {
    const { position } = this.#hub;
    if (!position) {
      const { state, entries } = await this.#log.tail(this.#options.preload, this.#options.preloadBytes);
      this.#hub.start(state, entries);
      this.#number = state.count;
      return this.#answered(state.epoch);
    }
    if (this.#state !== "following") {
      this.#compare(await this.#log.state());
      return this.#answered();
    }
    const entries = await this.#log.wait(position.id, READ_LIMIT, this.#options.blockMs);
    if (entries.length === 0) this.#compare(await this.#log.state());
    else await this.#accept(entries, position.epoch);
    this.#answered();
    // What arrives during the rest shares the next write to each client.
    const restMs = this.#restUntil - performance.now();
    if (restMs > 0) await pause(restMs);
  }

  #answered(epoch?: string): void {
    this.#answeredAt = performance.now();
    if (this.#state === "following") return;
    this.#state = "following";
    this.#logger.info(
      { epoch: epoch ?? this.#hub.position?.epoch, position: this.#hub.position?.id },
      "following the event log",
    );
  }

  async #accept(entries: readonly LogEntry[], epoch: string): Promise<void> {
    let good = 0;
    for (const entry of entries) {
      if (entry.epoch !== epoch || entry.number !== this.#number + 1) break;
      this.#number++;
      good++;
    }
    if (good > 0) {
      const began = performance.now();
      this.#hub.publish(good === entries.length ? entries : entries.slice(0, good));
      const ended = performance.now();
      // At most half of the time goes into fan-outs, so that publishing and connecting get their turn. The longer a
      // fan-out takes, the more events the next one carries in the same number of writes. Time without events before it
      // counts as rest, so an event that comes seldom does not wait.
      const owed = Math.min(ended - began, MAX_REST_MS) - (began - this.#restUntil);
      this.#restUntil = ended + Math.max(this.#options.coalesceMs, owed);
    }
    if (good === entries.length) return;
    const state = await this.#log.state();
    this.#reset(state, state.epoch === epoch ? "trimmed" : "epoch");
  }

  /** Notices that the log was flushed, or lost its newest entries in a crash, when no new entry shows it. */
  #compare(state: LogState): void {
    const position = this.#hub.position;
    if (!position) return;
    if (state.epoch !== position.epoch) this.#reset(state, "epoch");
    else if (compareIds(state.last, position.id) < 0) this.#reset(state, "rollback");
  }

  /** A new epoch that is still whole is read from its beginning, so that nothing acknowledged in it is missed. */
  #reset(state: LogState, reason: ResetReason): void {
    const isWhole = reason === "epoch" && state.count === state.length;
    this.#number = isWhole ? 0 : state.count;
    this.#logger.warn({ reason, epoch: state.epoch }, "event log continues elsewhere: all streams are reset");
    this.#hub.reset({ epoch: state.epoch, id: isWhole ? BEGINNING : state.last }, reason);
  }
}
