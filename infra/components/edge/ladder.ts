/**
 * The keep-alive ladder: how long each hop keeps an idle connection, in seconds. On every hop the side that sends
 * requests has to let go first: a request that meets a closing connection is lost, and a POST may not be sent again.
 */

/** By how much the edge lets go of an idle connection before an old replica stops to serve, in seconds. */
const SWITCH_MARGIN = 2;

export interface KeepAliveLadder {
  /** What a client is told (`Keep-Alive: timeout`). */
  readonly clientTold: number;
  /** When a tunnel in front has to let go (cloudflared's `proxy-keepalive-timeout`, 90 s by default). */
  readonly tunnel: number;
  /** When the edge lets go of a client, and how long a reload keeps the connection (docs/decisions/0009-keepalive.md). */
  readonly edge: number;
  /** When the edge lets go of a replica. */
  readonly upstream: number;
}

/**
 * The service's own rung is in service/src/platform/http.ts and above `upstream`; infra/test/edge.test.ts holds all of
 * them against each other.
 * @param switchSeconds how long a replica serves on after it was told to stop.
 */
export function keepAliveLadder(switchSeconds: number): KeepAliveLadder {
  const edge = Math.max(1, switchSeconds - SWITCH_MARGIN);
  return { clientTold: Math.max(1, edge - 1), tunnel: edge / 2, edge, upstream: 60 };
}
