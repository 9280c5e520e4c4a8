/** Hands each event to the streams that follow its topic. */
import { between } from "../../platform/deadline.ts";
import { compareIds, formatPosition, type Position } from "../log/cursor.ts";
import type { LogEntry, LogState } from "../log/log.ts";
import type { Backlog } from "./backlog.ts";
import {
  BATCH_BYTES,
  Parts,
  portionFor,
  Slabs,
  toBatches,
  toDeliveries,
  type Delivery,
  type Recipient,
} from "./delivery.ts";
import { encodeBlock } from "./frame.ts";
import { noMetrics, type EventsMetrics } from "./metrics.ts";
import type { RecentEvents } from "./recent.ts";
import type { EventStream } from "./stream.ts";
import { TopicIndex, type Selection } from "./topic-index.ts";
import type { TopicFilter } from "./topics.ts";

/** Why a client has to read its snapshot again. */
export type ResetReason = "trimmed" | "epoch" | "rollback" | "unknown" | "malformed";

interface Group {
  readonly filter: TopicFilter;
  readonly streams: Set<EventStream>;
}

/** What streams with this filter get when they were left behind at an id. */
interface Missed extends Recipient {
  readonly after: string;
  readonly through: string;
  readonly parts: Parts;
}

/**
 * The fan-out of one process. What the reader of the log reports goes to every live stream whose filter matches. Streams
 * with the same filter form a group and share each write, and all groups share the bytes of an event.
 *
 * A stream whose client has not taken what it was sent gets nothing more, and so holds no more than one batch. When the
 * client has taken that, it gets what it missed from the newest events in memory, a batch at a time. A client for which
 * that is not enough is too slow: it is told so, comes back with its last id, and reads on at its own pace.
 */
export class Hub {
  readonly #groups = new Map<string, Group>();
  readonly #index = new TopicIndex<Group>();
  readonly #recent: RecentEvents;
  readonly backlog: Backlog;
  readonly #metrics: EventsMetrics;
  readonly #slabs = new Slabs();
  #missed: Missed | undefined;
  #position: Position | undefined;
  readonly #moved = new Set<() => void>();

  constructor(recent: RecentEvents, backlog: Backlog, metrics: EventsMetrics = noMetrics) {
    this.#recent = recent;
    this.backlog = backlog;
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
    for (const delivery of toDeliveries(ofEpoch, this.#slabs)) this.#recent.add(delivery);
    this.#moveTo({ epoch: state.epoch, id: state.last });
  }

  /** Fans out the next entries of the epoch, in order and without a hole. */
  publish(entries: readonly LogEntry[]): void {
    const last = entries.at(-1);
    if (!last || !this.#position) return;
    for (const batch of toBatches(entries, this.#slabs)) this.#fanOut(batch, last.epoch);
    this.#moveTo({ epoch: last.epoch, id: last.id });
    this.#metrics.lag(Math.max(0, Date.now() - Number(last.id.split("-")[0])));
  }

  #fanOut(batch: readonly Delivery[], epoch: string): void {
    const before = this.#position?.id ?? "";
    const through = batch.at(-1)?.id ?? before;
    let bytes = 0;
    for (const delivery of batch) {
      this.#recent.add(delivery);
      bytes += delivery.frame.length;
    }
    const shared = new Map<Selection, Parts>();
    for (const [{ streams }, selection] of this.#index.select(batch.map(({ topic }) => topic))) {
      let parts = shared.get(selection);
      if (!parts) shared.set(selection, (parts = new Parts(selection.map((at) => batch[at] as Delivery))));
      for (const stream of streams) {
        if (stream.behindFrom !== undefined) continue;
        if (stream.isWaiting) this.#leaveBehind(stream, before);
        else if (!isAhead(stream, before)) stream.send(parts);
        else
          sendUnseen(
            stream,
            selection.map((at) => batch[at] as Delivery),
          );
      }
    }
    this.#position = { epoch, id: through };
    this.backlog.fannedOut(bytes);
  }

  /** The stream has got everything up to `before`, and maybe more. It goes on when its client has taken that. */
  #leaveBehind(stream: EventStream, before: string): void {
    stream.behindFrom = isAhead(stream, before) ? stream.skipThrough : before;
    stream.skipThrough = undefined;
    stream.whenTaken(() => this.#catchUp(stream));
  }

  #catchUp(stream: EventStream): void {
    while (stream.behindFrom !== undefined && this.#position && !stream.isOver) {
      if (stream.isWaiting) return stream.whenTaken(() => this.#catchUp(stream));
      const after = stream.behindFrom;
      if (compareIds(after, this.#position.id) >= 0) {
        stream.behindFrom = undefined;
        stream.skipThrough = after;
        return;
      }
      const missed = this.#missedBy(stream, after);
      if (!missed) return stream.end("slow", between(500, 2000));
      stream.behindFrom = missed.through;
      stream.send(missed.parts);
    }
  }

  /** The next batch after an id; undefined when some of it is no longer in memory. Mostly several streams miss the same. */
  #missedBy(stream: EventStream, after: string): Missed | undefined {
    const { filter, isChunked } = stream;
    const known = this.#missed;
    if (known?.filter === filter && known.isChunked === isChunked && known.after === after) return known;
    const deliveries = this.#recent.after(after, BATCH_BYTES);
    if (!deliveries) return undefined;
    const { wanted, through = after } = portionFor(stream, deliveries);
    return (this.#missed = { filter, isChunked, after, through, parts: new Parts(wanted) });
  }

  /** The log continues elsewhere. Every live stream is told so once, and goes on from `position`. */
  reset(position: Position, reason: ResetReason): void {
    this.#recent.restart(position.id);
    this.#missed = undefined;
    const block = resetBlock(reason, position, undefined);
    let told = 0;
    for (const { streams } of this.#groups.values()) {
      for (const stream of streams) {
        stream.skipThrough = undefined;
        stream.behindFrom = undefined;
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
    stream.behindFrom = undefined;
    stream.skipThrough = compareIds(sentThrough, this.#position.id) > 0 ? sentThrough : undefined;
    stream.isLive = true;
    const { filter } = stream;
    let group = this.#groups.get(filter.key);
    if (!group) {
      this.#groups.set(filter.key, (group = { filter, streams: new Set() }));
      this.#index.add(filter.patterns, group);
    }
    const joined = group;
    const { streams } = group;
    stream.filter = group.filter;
    streams.add(stream);
    stream.onClose(() => {
      streams.delete(stream);
      if (streams.size > 0 || this.#groups.get(filter.key) !== joined) return;
      this.#groups.delete(filter.key);
      this.#index.remove(filter.patterns, joined);
    });
  }

  /**
   * Sends a comment for the proxies and a small event for the page, which cannot see comments. For a live stream it also
   * carries the position. A client whose topics are quiet would otherwise come back with a cursor that was trimmed long ago.
   */
  heartbeat(stream: EventStream): void {
    const { position } = this;
    const isCurrent = stream.isLive && stream.behindFrom === undefined && position;
    stream.send(heartbeatBlock(isCurrent && !isAhead(stream, position.id) ? position : undefined));
  }

  #moveTo(position: Position): void {
    this.#position = position;
    for (const resolve of [...this.#moved]) resolve();
  }
}

/** Whether a replay has sent the stream more than everything up to `id`. */
function isAhead(stream: EventStream, id: string): boolean {
  if (stream.skipThrough === undefined) return false;
  if (compareIds(stream.skipThrough, id) > 0) return true;
  stream.skipThrough = undefined;
  return false;
}

function sendUnseen(stream: EventStream, wanted: readonly Delivery[]): void {
  const through = stream.skipThrough ?? "";
  stream.send(new Parts(wanted.filter(({ id }) => compareIds(id, through) > 0)));
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
