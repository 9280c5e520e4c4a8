/** Brings a stream from its cursor to the present. */
import { between, pause } from "../../platform/deadline.ts";
import { BEGINNING, compareIds, formatPosition, parsePosition, type Position } from "../log/cursor.ts";
import type { EventLog, LogState } from "../log/log.ts";
import { BATCH_BYTES, Parts, portionFor, toDeliveries, type Delivery } from "./delivery.ts";
import { heartbeatBlock, resetBlock, type Hub, type ResetReason } from "./hub.ts";
import type { EventStream } from "./stream.ts";

/** How many entries a page of the log has. */
export const PAGE_LIMIT = 100;

/**
 * Brings a stream from its cursor to the live fan-out, without a hole and without a duplicate.
 *
 * Missed events come from the hub's memory, or else from the log in pages. As soon as everything up to the hub's position
 * is sent, the stream is attached in the same turn of the event loop, so that everything after it is fanned out. When the
 * pages are ahead of the hub, the stream remembers how far, and the fan-out leaves out what it has.
 *
 * A cursor that cannot be served completely gets one reset and no part of the history. While the log is away the stream
 * stays open, with heartbeats, and this waits.
 */
export async function join(
  stream: EventStream,
  cursor: string | undefined,
  hub: Hub,
  log: EventLog,
): Promise<Outcome> {
  if (!hub.position) await firstPosition(stream, hub);
  if (!hub.position) return { kind: "gone" };
  if (cursor === undefined) {
    // The position goes out at once: a client that loses the connection before the first event resumes from here.
    stream.send(heartbeatBlock(hub.position));
    hub.attach(stream, hub.position.id);
    return { kind: "live" };
  }
  const position = parsePosition(cursor);
  if (!position) return reset(stream, hub, "malformed", cursor.slice(0, 128));
  return resume(stream, position, hub, log, cursor);
}

export interface Outcome {
  readonly kind: "live" | "resumed" | "reset" | "gone";
  readonly replayed?: number;
  readonly reason?: ResetReason;
}

async function resume(
  stream: EventStream,
  from: Position,
  hub: Hub,
  log: EventLog,
  cursor: string,
): Promise<Outcome> {
  let after = from.id;
  let replayed = 0;
  for (;;) {
    if (stream.isOver) return { kind: "gone" };
    const deliveries = fromMemory(hub, from.epoch, after, BATCH_BYTES);
    if (deliveries) {
      const { wanted, through = after } = portionFor(stream, deliveries);
      stream.send(new Parts(wanted));
      replayed += wanted.length;
      after = through;
      if (hub.position && (deliveries.length === 0 || hub.position.id === after)) {
        // The cursor has to move even if the topics of this client were quiet.
        stream.send(heartbeatBlock(hub.position));
        hub.attach(stream, hub.position.id);
        return { kind: "resumed", replayed };
      }
      await stream.taken();
      continue;
    }
    const sent = await sendFromLog(stream, { epoch: from.epoch, id: after }, log);
    if (!sent) {
      await pause(between(200, 600));
      continue;
    }
    if ("lost" in sent) {
      if (hub.position?.epoch === sent.state.epoch)
        return reset(stream, hub, sent.lost, cursor, earliestOf(sent.state));
      // This replica has not noticed yet that the log began again; a reset now would be followed by another one.
      await movedOrLater(stream, hub);
      continue;
    }
    replayed += sent.events;
    after = sent.through;
    const taken = hub.backlog.taken(stream);
    if (hub.position?.epoch !== from.epoch) await pause(50);
    else if (compareIds(after, hub.position.id) >= 0) {
      hub.attach(stream, after);
      return { kind: "resumed", replayed };
    }
    await taken;
  }
}

type Sent =
  | { readonly through: string; readonly events: number }
  | { readonly lost: ResetReason; readonly state: LogState };

/** Sends one page of the log, of which nothing is kept: a client may take long to read it. Undefined when there is none now. */
async function sendFromLog(stream: EventStream, after: Position, log: EventLog): Promise<Sent | undefined> {
  const page = await log.page(after.id, PAGE_LIMIT, BATCH_BYTES).catch(() => undefined);
  if (!page) return undefined;
  const { state, entries } = page;
  const lost = lossOf(after.epoch, after.id, state);
  if (lost) return { lost, state };
  const wanted = entries.filter(({ epoch, topic }) => epoch === after.epoch && stream.filter.matches(topic));
  stream.send(new Parts(toDeliveries(wanted)));
  return { through: entries.at(-1)?.id ?? state.last, events: wanted.length };
}

/** Undefined when some of the events after `after` are not, or may not be, in the hub's memory. */
export function fromMemory(hub: Hub, epoch: string, after: string, maxBytes: number): Delivery[] | undefined {
  if (hub.position?.epoch !== epoch || compareIds(after, hub.position.id) > 0) return undefined;
  return hub.recent.after(after, maxBytes);
}

/** Why the log cannot serve everything after `after`; undefined when it can. */
export function lossOf(epoch: string, after: string, state: LogState): ResetReason | undefined {
  if (state.epoch !== epoch) return "epoch";
  if (compareIds(after, state.last) > 0) return "unknown";
  if (after === state.last) return undefined;
  if (after === BEGINNING) return state.count === state.length ? undefined : "trimmed";
  // After the last trimmed id itself nothing is lost, but nobody can tell; one reset too many does no harm.
  return state.first === undefined || compareIds(after, state.first) < 0 ? "trimmed" : undefined;
}

/** Where the history begins; undefined when nothing is kept. */
export const earliestOf = ({ epoch, first }: LogState): string | undefined =>
  first === undefined ? undefined : formatPosition({ epoch, id: first });

function reset(
  stream: EventStream,
  hub: Hub,
  reason: ResetReason,
  requested: string,
  earliest?: string,
): Outcome {
  if (stream.isOver || !hub.position) return { kind: "gone" };
  stream.send(resetBlock(reason, hub.position, requested, earliest));
  hub.attach(stream, hub.position.id);
  return { kind: "reset", reason };
}

/** Waits for the hub to move, but not for long, and not for a stream that is over. Leaves nobody waiting at the hub. */
async function movedOrLater(stream: EventStream, hub: Hub): Promise<void> {
  const over = new AbortController();
  const forget = stream.onClose(() => over.abort());
  await Promise.race([hub.moved(over.signal), pause(between(200, 600), over.signal)]);
  forget();
  over.abort();
}

/** Waits for the hub to reach the log, or for the stream to be over. */
async function firstPosition(stream: EventStream, hub: Hub): Promise<void> {
  const over = new AbortController();
  const forget = stream.onClose(() => over.abort());
  while (!hub.position && !stream.isOver) await hub.moved(over.signal);
  forget();
}
