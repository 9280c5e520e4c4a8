/** Pages of open streams, for an operator. */
import { formatPosition, type Position } from "../events/log/cursor.ts";
import type { EventStream } from "../events/stream/stream.ts";
import type { Connection, ConnectionsQuery } from "./schema.ts";

/** One open stream as the operator sees it. */
export function describeStream(
  stream: EventStream,
  replica: string,
  position: Position | undefined,
): Connection {
  return {
    id: stream.id,
    replica,
    since: new Date(stream.openedAt).toISOString(),
    client: stream.client,
    topics: stream.filter.key,
    lastId: stream.isLive && position ? formatPosition(sentThrough(stream, position)) : undefined,
    sentBytes: stream.bytes,
    queuedBytes: stream.queuedBytes,
    live: stream.isLive,
  };
}

/** The fan-out leaves out what does not match, so a live stream that keeps up has got everything up to the position. */
const sentThrough = ({ behindFrom }: EventStream, position: Position): Position =>
  behindFrom === undefined ? position : { epoch: position.epoch, id: behindFrom };

export interface ConnectionPage {
  readonly connections: readonly Connection[];
  readonly matching: number;
  readonly next: string | undefined;
}

const keyOf = ({ replica, id }: Connection): string => `${replica}:${id}`;

/** A page of the connections that match, in an order that does not change while streams come and go. */
export function pageOf(
  all: readonly Connection[],
  query: ConnectionsQuery,
  now: number = Date.now(),
): ConnectionPage {
  const fitting = all
    .filter(
      (connection) =>
        (query.replica === undefined || connection.replica === query.replica) &&
        (query.client === undefined || connection.client === query.client) &&
        (query.topic === undefined || connection.topics.includes(query.topic)) &&
        (query.minQueuedBytes === undefined || connection.queuedBytes >= query.minQueuedBytes) &&
        (query.minSeconds === undefined || now - Date.parse(connection.since) >= query.minSeconds * 1000),
    )
    .map((connection) => ({ connection, key: keyOf(connection) }))
    .sort((a, b) => (a.key < b.key ? -1 : 1));
  const { after } = query;
  const rest = after === undefined ? fitting : fitting.filter(({ key }) => key > after);
  const page = rest.slice(0, query.limit);
  return {
    connections: page.map(({ connection }) => connection),
    matching: fitting.length,
    next: rest.length > page.length ? page.at(-1)?.key : undefined,
  };
}
