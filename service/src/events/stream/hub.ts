/** Hands each event to the streams that follow its topic. */
import { compareIds, formatPosition, type Position } from "../log/cursor.ts";
import { encodeBlock } from "./frame.ts";
import type { LogEntry, LogState } from "../log/log.ts";
import { noMetrics, type EventsMetrics } from "./metrics.ts";
import type { Delivery, RecentEvents } from "./recent.ts";
import { Shared } from "./shared.ts";
import type { EventStream } from "./stream.ts";
import type { TopicFilter } from "./topics.ts";

/** Why a client has to read its snapshot again. */
export type ResetReason = "trimmed" | "epoch" | "rollback" | "unknown" | "malformed";

interface Group {
  readonly filter: TopicFilter;
  readonly streams: Set<EventStream>;
}

export function toDelivery(entry: LogEntry): Delivery {
  const id = formatPosition(entry);
  return {
    id: entry.id,
    topic: entry.topic,
    frame: new Shared(Buffer.from(encodeBlock({ id, event: entry.type, data: entry.data }))),
  };
}

/**
 * The fan-out of one process. What the reader of the log reports goes to every live stream whose filter matches. Streams
 * with the same filter form a group and share each write.
 */
export class Hub {
  readonly #groups = new Map<string, Group>();
  readonly #recent: RecentEvents;
  readonly #metrics: EventsMetrics;
  #position: Position | undefined;
  readonly #moved = new Set<() => void>();

  constructor(recent: RecentEvents, metrics: EventsMetrics = noMetrics) {
    this.#recent = recent;
    this.#metrics = metrics;
  }

  /** The last entry that was fanned out; undefined until the log is reached for the first time. */
  get position(): Position | undefined {
    return this.#position;
  }

  get recent(): RecentEvents {
    return this.#recent;
  }

  /** Resolves at the next change of the position, or when `signal` aborts. */
  moved(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const done = (): void => {
        this.#moved.delete(done);
        signal?.removeEventListener("abort", done);
        resolve();
      };
      this.#moved.add(done);
      signal?.addEventListener("abort", done);
    });
  }

  /** Sets the first position, with the newest entries before it for clients that resume. */
  start(state: LogState, entries: readonly LogEntry[]): void {
    const ofEpoch = entries.filter((entry) => entry.epoch === state.epoch);
    this.#recent.restart(ofEpoch.length === state.count ? "0-0" : (ofEpoch[0]?.id ?? state.last));
    for (const entry of ofEpoch) this.#recent.add(toDelivery(entry));
    this.#moveTo({ epoch: state.epoch, id: state.last });
  }

  /** Fans out the next entries of the epoch, in order and without a hole. */
  publish(entries: readonly LogEntry[]): void {
    const last = entries.at(-1);
    if (!last || !this.#position) return;
    const deliveries = entries.map(toDelivery);
    for (const delivery of deliveries) this.#recent.add(delivery);
    for (const { filter, streams } of this.#groups.values()) {
      const wanted = deliveries.filter((delivery) => filter.matches(delivery.topic));
      const shared = wanted.length > 0 ? joined(wanted) : undefined;
      for (const stream of streams) {
        if (stream.skipThrough !== undefined) sendUnseen(stream, wanted, last.id);
        else if (shared) stream.send(shared);
      }
    }
    this.#moveTo({ epoch: last.epoch, id: last.id });
    this.#metrics.lag(Math.max(0, Date.now() - Number(last.id.split("-")[0])));
  }

  /** The log continues elsewhere. Every live stream is told so once, and goes on from `position`. */
  reset(position: Position, reason: ResetReason): void {
    this.#recent.restart(position.id);
    const block = new Shared(Buffer.from(resetBlock(reason, position, undefined)));
    let told = 0;
    for (const { streams } of this.#groups.values()) {
      for (const stream of streams) {
        stream.skipThrough = undefined;
        stream.send(block);
        told++;
      }
    }
    this.#metrics.reset(reason, told);
    this.#moveTo(position);
  }

  /** From now on `stream` gets what is fanned out, if it comes after `sentThrough`. */
  attach(stream: EventStream, sentThrough: string): void {
    if (stream.isOver || !this.#position) return;
    stream.skipThrough = compareIds(sentThrough, this.#position.id) > 0 ? sentThrough : undefined;
    stream.isLive = true;
    const { filter } = stream;
    let group = this.#groups.get(filter.key);
    if (!group) this.#groups.set(filter.key, (group = { filter, streams: new Set() }));
    const { streams } = group;
    stream.filter = group.filter;
    streams.add(stream);
    stream.onClose(() => {
      streams.delete(stream);
      if (streams.size === 0 && this.#groups.get(filter.key)?.streams === streams)
        this.#groups.delete(filter.key);
    });
  }

  /**
   * Sends a comment for the proxies and a small event for the page, which cannot see comments. For a live stream it also
   * carries the position. A client whose topics are quiet would otherwise come back with a cursor that was trimmed long ago.
   */
  heartbeat(stream: EventStream): void {
    const isCurrent = stream.isLive && stream.skipThrough === undefined && this.#position;
    stream.send(heartbeatBlock(isCurrent ? this.#position : undefined));
  }

  #moveTo(position: Position): void {
    this.#position = position;
    for (const resolve of [...this.#moved]) resolve();
  }
}

export function joined(deliveries: readonly Delivery[]): Shared {
  const [only] = deliveries;
  if (deliveries.length === 1 && only) return only.frame;
  return new Shared(Buffer.concat(deliveries.map(({ frame }) => frame.plain)));
}

/** Sends to a stream whose replay is ahead of the fan-out. */
function sendUnseen(stream: EventStream, wanted: readonly Delivery[], through: string): void {
  const seen = stream.skipThrough ?? "0-0";
  const unseen = wanted.filter(({ id }) => compareIds(id, seen) > 0);
  if (unseen.length > 0) stream.send(joined(unseen));
  if (compareIds(through, seen) >= 0) stream.skipThrough = undefined;
}

export function heartbeatBlock(position: Position | undefined): string {
  const id = position && formatPosition(position);
  return encodeBlock({ comment: "hb", id, event: "hb", data: `{"time":${Date.now()}}` });
}

/**
 * The reset has no id, so a client that loses the connection before it has read the reset comes back with its old cursor
 * and is told again. The heartbeat after it sets the new cursor.
 */
export function resetBlock(
  reason: ResetReason,
  position: Position,
  requested: string | undefined,
  earliest?: string,
): string {
  const data = JSON.stringify({ reason, requested, earliest, latest: formatPosition(position) });
  return encodeBlock({ event: "reset", data }) + heartbeatBlock(position);
}
