/**
 * The keep-alive ladder: how long each hop keeps an idle connection, in seconds. On every hop the side that sends
 * requests has to close first: a request on a closing connection is lost, and a POST may not be sent again.
 */

/** How long before an old replica stops serving the edge closes an idle connection to it, in seconds. */
const SWITCH_MARGIN = 2;

export interface KeepAliveLadder {
  /** The time that the edge tells its clients (`Keep-Alive: timeout`). */
  readonly clientTold: number;
  /** When a tunnel in front has to close (cloudflared's `proxy-keepalive-timeout`, 90 s by default). */
  readonly tunnel: number;
  /** When the edge closes to a client, and how long it stays open after a reload (docs/decisions/0009-keepalive.md). */
  readonly edge: number;
  /** When the edge closes to a replica. */
  readonly upstream: number;
}

/**
 * The service's own time is in service/src/platform/http.ts and is longer than `upstream`; infra/test/edge.test.ts
 * compares all of them.
 * @param switchSeconds how long a replica continues to serve after it was told to stop.
 */
export function keepAliveLadder(switchSeconds: number): KeepAliveLadder {
  const edge = Math.max(1, switchSeconds - SWITCH_MARGIN);
  return { clientTold: Math.max(1, edge - 1), tunnel: edge / 2, edge, upstream: 60 };
}
