/** How the edge reaches the replicas: the list of upstreams, and the locations that use it. */
import * as pulumi from "@pulumi/pulumi";
import type { KeepAliveLadder } from "./ladder.ts";
import { renderLimits, renderStreamLimits, type EdgeLimits } from "./limits.ts";
import { renderPageLocation, type PageConfig } from "./page.ts";
import { maintenanceCheck } from "./problems.ts";

/** One replica to which the edge can send requests, or the replicas that share a name. */
export interface Upstream {
  /** The container's name, which the engine's DNS resolves; in a swarm the one of all tasks of a service. */
  readonly name: string;
  /** Its address when it was created; undefined where replicas come and go by themselves. */
  readonly address?: string;
  /** How many replicas have the name; default 1. */
  readonly replicas?: number;
}

/** A container's data on one of its networks, as the engine reports it. */
interface Attachment {
  readonly networkName?: string;
  readonly ipAddress?: string;
}

/**
 * Describes a replica as an upstream. Pure.
 * @param network the network that the edge shares with the replicas.
 * @throws pulumi.RunError when the replica's address there is not known: by its name alone, the first requests after a
 *   reload of nginx would be lost (docs/decisions/0004-upstreams-by-address-and-name.md).
 */
export function planUpstream(name: string, network: string, attachments: readonly Attachment[]): Upstream {
  const address = attachments.find(({ networkName }) => networkName === network)?.ipAddress;
  if (address) return { name, address };
  throw new pulumi.RunError(
    `Replica ${name} has no address on network ${network}, so the edge was not switched to it and goes on with its ` +
      `old configuration. Look at the replica with: docker inspect ${name}. When it runs, deploy again.`,
  );
}

export interface UpstreamConfig {
  /** The replicas that are healthy now. While the list is empty, every request is answered with 503. */
  readonly upstreams: readonly Upstream[];
  /** The port that replicas serve on. */
  readonly upstreamPort: number;
  readonly keepAlive: KeepAliveLadder;
  /** How long a replica may take to begin its answer, in seconds; after that it counts as hung. */
  readonly responseSeconds: number;
  readonly limits: EdgeLimits;
  /** While this file is there, the API is away; default: the one in the edge's volume. */
  readonly maintenanceFile?: string;
}

/** How long a failed replica gets no requests, in seconds. */
const EJECTED_SECONDS = 5;

/** How long a stream may be silent, in seconds: two heartbeats of the service (15 s) and a margin. */
const STREAM_SILENCE_SECONDS = 35;

/** The longest wait of `GET /api/events/poll`, in seconds: service/src/events/http/poll-route.ts. */
const POLL_SECONDS = 25;

/**
 * How long an answer of the DNS holds, in seconds: where names are only for replicas that come back with another address, and
 * where they are all that is known. The second has to be much shorter than the time for which a replica that was told to stop
 * goes on serving: components/swarm/config.ts.
 */
const COMES_BACK = 2;
export const COMES_AND_GOES = 1;

export function renderUpstream({ upstreams, upstreamPort, keepAlive }: UpstreamConfig): string {
  if (upstreams.length === 0) return "";
  // The list has each replica by address, so that it is complete at once after a reload, and by name, so that a replica
  // that comes back with another address is found within seconds. With both, nginx can start before its replicas.
  const servers = (flags: string): string[] =>
    upstreams.flatMap(({ name, address }) => [
      ...(address === undefined ? [] : [`server ${address}:${upstreamPort} ${flags};`]),
      `server ${name}:${upstreamPort} resolve ${flags};`,
    ]);
  return `
  # The engine's own DNS.
  resolver 127.0.0.11 valid=${upstreams.every(({ address }) => address) ? COMES_BACK : COMES_AND_GOES}s ipv6=off;
  resolver_timeout 2s;
  upstream backend {
    zone backend 256k;
    least_conn;
    ${servers(`max_fails=1 fail_timeout=${EJECTED_SECONDS}s`).join("\n    ")}
    # Once more, for when all of them failed at the same time: a cause that they share (Redis is away) must not take
    # away what they can still answer.
    ${servers("max_fails=0 backup").join("\n    ")}
    keepalive 64;
    # Shorter than the service's own, so that nginx closes first.
    keepalive_timeout ${keepAlive.upstream}s;
    keepalive_requests 100000;
  }
`;
}

/** Headers in which clients make claims about themselves. The edge clears them: the service trusts only the edge. */
const CLAIMS = ["CF-Connecting-IP", "Forwarded", "Proxy", "True-Client-IP", "X-Forwarded-Host", "X-Real-IP"];

/** nginx skips what comes after a `rewrite … last` or `break`, so this stands before any. */
export const HOST_CHECK = "if ($unknown_host) { return 421; }";

const PROXY = `proxy_pass http://backend;
      proxy_http_version 1.1;
      # A body goes on as it comes: nginx knows no limit for all of it, the service does (service/src/platform/body.ts).
      proxy_request_buffering off;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Request-Id $trace;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $client_scheme;
${CLAIMS.map((name) => `      proxy_set_header ${name} "";`).join("\n")}
      proxy_connect_timeout 1s;`;

/**
 * A GET is sent to another replica after an error, a timeout, or the 503 of a replica that is not ready. A request that
 * is not idempotent goes elsewhere only if it was not sent yet (nginx' default), so no POST is ever carried out twice.
 * @param seconds until a silent replica counts as failed.
 */
const elsewhere = (
  seconds: number,
  { upstreams }: UpstreamConfig,
): string => `proxy_next_upstream error timeout http_503;
      # At most as many as there are entries: the last one's 503 is passed on.
      proxy_next_upstream_tries ${Math.min(4, 2 * replicasOf(upstreams))};
      # Twice the wait, because a hung replica is in the list by address and by name.
      proxy_next_upstream_timeout ${2 * seconds + 2}s;
      proxy_read_timeout ${seconds}s;`;

const replicasOf = (upstreams: readonly Upstream[]): number =>
  upstreams.reduce((sum, { replicas = 1 }) => sum + replicas, 0);

/** @param hostCheck turns requests away that the edge answers itself; it stands before any `rewrite` but maintenance. */
export function renderLocations(
  config: UpstreamConfig & PageConfig & { readonly release: string },
  hostCheck: string,
): string {
  const { responseSeconds, limits } = config;
  const maintenance = maintenanceCheck(config.maintenanceFile);
  return `
    location = /api/events {
      ${maintenance}
      ${hostCheck}
      # Whatever is no stream must not wait for as long as one may be silent, and keeps its connection.
      if ($method ~ "^(GET|HEAD)$") { rewrite ^ /_stream last; }
      ${PROXY}
      ${elsewhere(responseSeconds, config)}
    }
    location = /_stream {
      internal;
      rewrite ^ /api/events break;
      ${PROXY}
      ${renderStreamLimits(limits).replaceAll("\n    ", "\n      ")}
      ${elsewhere(STREAM_SILENCE_SECONDS, config)}
      # A client that comes back on the connection of its stream would be with a worker of the configuration before, and
      # that sends it to the replica that just said good-bye. A new connection goes to the newest workers.
      keepalive_timeout 0;
      # Nothing held back.
      proxy_buffering off;
      send_timeout 30s;
    }
    location = /api/events/poll {
      ${maintenance}
      ${hostCheck}
      ${PROXY}
      ${elsewhere(POLL_SECONDS + responseSeconds, config)}
      # The only answers that anybody can make long and hard to compress: a client that takes none of one would hold the
      # compressor's memory, 384 KiB for each, until it goes.
      gzip off;
    }
    location /api/ {
      ${maintenance}
      ${hostCheck}
      ${PROXY}
      ${elsewhere(responseSeconds, config)}
    }
    # Their 503 is the answer, not a reason to ask another replica.
    location ~ ^/(healthz|readyz|startupz)$ {
      ${hostCheck}
      ${PROXY}
      proxy_next_upstream error timeout;
      proxy_read_timeout ${responseSeconds}s;
    }
    ${renderPageLocation(config, config.release, hostCheck)}`;
}

/** The server's limits, which locations without limits of their own inherit. */
export const renderServerLimits = ({ limits }: UpstreamConfig): string => `    ${renderLimits(limits)}`;
