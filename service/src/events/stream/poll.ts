/** One page of events, for clients that cannot stream. */
import { compareIds, formatPosition, parsePosition, type Position } from "../log/cursor.ts";
import { toDeliveries, type Delivery } from "./delivery.ts";
import type { Hub, ResetReason } from "./hub.ts";
import { earliestOf, fromMemory, lossOf, PAGE_LIMIT } from "./join.ts";
import type { EventLog } from "../log/log.ts";
import type { TopicFilter } from "./topics.ts";

/** A part of the log, for a client that cannot stream. */
export interface PollPage {
  readonly deliveries: readonly Delivery[];
  /** Where the next poll goes on: the client's topics had nothing else up to here. */
  readonly next: string;
  /** There may be more already. */
  readonly more: boolean;
  /** Not everything after the cursor is available: the client reads its snapshot again and goes on from `next`. */
  readonly reset?: {
    readonly reason: ResetReason;
    readonly requested: string;
    /** The oldest event that is kept, if known. */
    readonly earliest?: string;
    readonly latest: string;
  };
}

export interface PollRequest {
  readonly after: string | undefined;
  readonly filter: TopicFilter;
  /** How many events a page has at most. */
  readonly limit: number;
  /**
   * Told before each read, and before each event, how many bytes of frames the page holds, with that event. False ends the
   * page before it: there is no room for so much, or nobody waits for the answer any longer.
   */
  readonly mayHold?: (bytes: number) => boolean;
}

/** A page ends before it is longer than this, in bytes of frames; one event always fits. */
const MAX_BYTES = 262_144;
/** How often one page reads the log or the memory: a client with quiet topics must not read the whole log. */
const MAX_READS = 10;

/**
 * The page after a cursor. It waits for the first event until `signal` aborts. It has the same ids, in the same order, and
 * the same reset as a stream, so a client may change from one to the other with its last id.
 *
 * @returns undefined when this replica has not reached the log yet. @throws the log's error when it is away.
 */
export async function poll(
  request: PollRequest,
  hub: Hub,
  log: EventLog,
  signal: AbortSignal,
): Promise<PollPage | undefined> {
  // What still waits for the hub is taken back when there is an answer: with a quiet log it would wait for ever.
  const over = new AbortController();
  const abort = (): void => over.abort();
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort);
  try {
    return await firstPage(request, hub, log, over.signal);
  } finally {
    signal.removeEventListener("abort", abort);
    abort();
  }
}

async function firstPage(
  request: PollRequest,
  hub: Hub,
  log: EventLog,
  signal: AbortSignal,
): Promise<PollPage | undefined> {
  while (!hub.position && !signal.aborted) await hub.moved(signal);
  if (!hub.position) return undefined;
  const { after } = request;
  if (after === undefined) return { deliveries: [], next: formatPosition(hub.position), more: false };
  let position = parsePosition(after);
  if (!position) return resetPage("malformed", after.slice(0, 128), hub.position);
  for (;;) {
    // Begins before the log is read, so that it notices what comes during the read.
    const moved = signal.aborted ? undefined : hub.moved(signal);
    const page = await readPage(request, position, hub, log);
    if (page.deliveries.length > 0 || page.more || page.reset || !moved) return page;
    position = parsePosition(page.next) ?? position;
    await moved;
  }
}

async function readPage(
  { filter, limit, mayHold = () => true }: PollRequest,
  from: Position,
  hub: Hub,
  log: EventLog,
): Promise<PollPage> {
  const deliveries: Delivery[] = [];
  let bytes = 0;
  let after = from.id;
  const page = (more: boolean): PollPage => ({
    deliveries,
    next: formatPosition({ epoch: from.epoch, id: after }),
    more,
  });
  for (let reads = 0; reads < MAX_READS; reads++) {
    // While it waits for its turn to read it holds what it has.
    if (!mayHold(bytes)) return page(true);
    const part = await partAfter(from.epoch, after, filter, hub, log);
    if ("reset" in part) return resetPage(part.reset, formatPosition(from), part.latest, part.earliest);
    for (const delivery of part.deliveries) {
      if (filter.matches(delivery.topic)) {
        const more = bytes + delivery.frame.length;
        if (deliveries.length > 0 && (deliveries.length >= limit || more > MAX_BYTES)) return page(true);
        if (!mayHold(more)) return page(true);
        bytes = more;
        deliveries.push(delivery);
      }
      after = delivery.id;
    }
    if (compareIds(part.through, after) > 0) after = part.through;
    if (compareIds(after, part.end) >= 0) return page(false);
  }
  return page(true);
}

type Part =
  | { readonly deliveries: readonly Delivery[]; readonly through: string; readonly end: string }
  | { readonly reset: ResetReason; readonly latest: Position; readonly earliest: string | undefined };

/** The next events, up to which id they were read, and where the log ended then. */
async function partAfter(
  epoch: string,
  after: string,
  filter: TopicFilter,
  hub: Hub,
  log: EventLog,
): Promise<Part> {
  const deliveries = fromMemory(hub, epoch, after, MAX_BYTES);
  const end = hub.position?.id ?? after;
  if (deliveries) return { deliveries, through: deliveries.at(-1)?.id ?? end, end };
  const { state, entries } = await log.page(after, PAGE_LIMIT, MAX_BYTES);
  const reset = lossOf(epoch, after, state);
  if (reset) return { reset, latest: { epoch: state.epoch, id: state.last }, earliest: earliestOf(state) };
  return {
    // Only what is wanted: one event keeps all bytes that were made with it, for as long as this poll goes on reading.
    deliveries: toDeliveries(entries.filter((entry) => entry.epoch === epoch && filter.matches(entry.topic))),
    through: entries.at(-1)?.id ?? state.last,
    end: state.last,
  };
}

function resetPage(reason: ResetReason, requested: string, position: Position, earliest?: string): PollPage {
  const latest = formatPosition(position);
  return { deliveries: [], next: latest, more: false, reset: { reason, requested, earliest, latest } };
}
