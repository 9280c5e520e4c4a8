/** The edge's nginx.conf: a pure function of what the edge has to know. */
import { CHALLENGE_LOCATION, renderHostChecks, renderRealCertificate, type AcmeEdge } from "./acme.ts";
import { renderHeaderMaps, renderHeaders, type HeaderConfig } from "./headers.ts";
import { renderLimitZones } from "./limits.ts";
import { planEdgeMemory, WORKERS } from "./memory.ts";
import { hostPattern } from "./wildcard.ts";
import { maintenanceCheck, renderErrorPages, renderProblems, RETRY_MAPS } from "./problems.ts";
import {
  renderLocations,
  renderServerLimits,
  renderUpstream,
  type Upstream,
  type UpstreamConfig,
} from "./upstream.ts";

export type { Upstream };

export interface EdgeConfig extends UpstreamConfig, HeaderConfig {
  /** Shown on the internal port, so that a reload can be seen to have happened. */
  readonly release: string;
  /** With a certificate in tls/, the edge also speaks HTTPS. */
  readonly tls: boolean;
  /** With certificates of an ACME authority beside the generated one; default: the generated one alone. */
  readonly acme?: AcmeEdge;
  /** Whether clients come by IPv6 too; default: by IPv4 alone, as there are kernels without IPv6. */
  readonly ipv6?: boolean;
  /** The hosts that are served, without a port; empty: any. */
  readonly hosts: readonly string[];
  /** Who may say on whose behalf it asks; default: nobody. */
  readonly realIp?: RealIp;
  /** The memory limit in MiB: as many connections as fit in are taken, and no more. */
  readonly memory: number;
}

/** A proxy in front that names the client. */
export interface RealIp {
  /** Its networks as CIDRs: nobody else must be on them. */
  readonly from: readonly string[];
  /** The header that holds the client's one address, for example CF-Connecting-IP. */
  readonly header: string;
}

/** The ports inside the container: above 1023, because nginx runs without capabilities. */
export const HTTP_PORT = 8080;
export const HTTPS_PORT = 8443;
/**
 * Their like for the host's second address. The engine lists two addresses of one port in an order of its own; the docker
 * provider takes that for a change, and would replace the edge on every `up`.
 */
export const SECOND_HTTP_PORT = 8082;
export const SECOND_HTTPS_PORT = 8444;
/** Only inside the container: health, release, counters. */
export const STATUS_PORT = 8081;

/**
 * How long a worker may outlive a reload, in seconds: a stream ends by itself after at most 600 (the service's
 * OMNIAI_STREAM_MAX_AGE_SECONDS), so nothing is cut; and none stays for longer, whatever its client does. A worker that
 * stays keeps the memory that it has taken (memory.ts).
 */
const WORKER_SHUTDOWN_SECONDS = 660;

const JSON_LOG = [
  '"time":"$time_iso8601"',
  '"request_id":"$trace"',
  '"trace_id":"$trace_id"',
  '"address":"$remote_addr"',
  // As the client sent them: a redirect to one of our own errors changes nginx' variables.
  '"method":"$method"',
  '"path":"$path"',
  '"host":"$host"',
  '"protocol":"$server_protocol"',
  '"status":$status',
  '"bytes":$body_bytes_sent',
  '"seconds":$request_time',
  '"upstream":"$upstream_addr"',
  '"upstream_status":"$upstream_status"',
  '"upstream_seconds":"$upstream_response_time"',
  '"limit":"$limit_req_status $limit_conn_status"',
  // Of stub_status: how many clients are connected. With each line it needs no port and nobody who asks for it.
  '"connections":$connections_active',
].join(",");

/** Renders nginx.conf. Paths of files are relative to it, so that a release can be tested before it is current. */
export function renderNginx(given: EdgeConfig): string {
  // Without replicas there are no locations, so none that sets the page's variables, which nginx insists on.
  const config = given.upstreams.length > 0 ? given : { ...given, pagePolicy: undefined };
  const { keepAlive } = config;
  // Without HTTPS there is nothing that a certificate could change.
  const acme = config.tls ? config.acme : undefined;
  const hostCheck = renderHostChecks(acme);
  const { workerConnections } = planEdgeMemory(given.memory);
  return `# Rendered by the program: a change here is gone with the next deploy.
worker_processes ${WORKERS};
worker_shutdown_timeout ${WORKER_SHUTDOWN_SECONDS}s;
pid /tmp/nginx.pid;
error_log stderr warn;
pcre_jit on;
# Each connection is an open file, and engines give a process 1024 of them unless it asks for more.
worker_rlimit_nofile ${2 * workerConnections};

events {
  # A stream takes two: the client's and the upstream's. So many fit into the edge's memory: more are refused.
  worker_connections ${workerConnections};
}

http {
  log_format json escape=json '{${JSON_LOG}}';
  # Written together: a write for each line slows the requests of a busy edge. After a kill the last second is missing.
  # At most what a pipe takes as a whole (PIPE_BUF), so that two workers do not write into one another's lines.
  access_log /dev/stdout json buffer=4k flush=1s;
  default_type application/octet-stream;
  server_tokens off;
  tcp_nodelay on;
  reset_timedout_connection on;
  # Many are set only where the edge answers itself.
  uninitialized_variable_warn off;
  # Origins may be long.
  map_hash_bucket_size 512;

  # An answer that its client does not take waits in its replica, which counts it, and not here: /tmp is memory, and a few
  # clients could fill it for everybody.
  proxy_max_temp_file_size 0;
  # The root is read-only; what nginx buffers goes into memory.
  client_body_temp_path /tmp/client-body;
  proxy_temp_path /tmp/proxy;
  fastcgi_temp_path /tmp/fastcgi;
  uwsgi_temp_path /tmp/uwsgi;
  scgi_temp_path /tmp/scgi;

  # A reload closes at once every connection that was idle for longer than keepalive_min_timeout, and a request just
  # sent on it is lost. So no connection may be idle for longer: the two are the same, and clients that listen are told
  # a second less. A client that keeps idle connections of its own (a tunnel) has to let go of them earlier.
  keepalive_timeout ${keepAlive.edge}s ${keepAlive.clientTold}s;
  keepalive_min_timeout ${keepAlive.edge}s;

  # How slow a client may be: for all of its headers, between two reads of its body, between two of our writes.
  client_header_timeout 8s;
  client_body_timeout 8s;
  send_timeout 15s;
  # What still comes of a body that was refused.
  lingering_time 5s;
  client_max_body_size 1m;
  # No replica takes more than 16 KiB either.
  large_client_header_buffers 2 8k;

  gzip on;
  gzip_proxied any;
  gzip_min_length 1024;
  gzip_types text/css text/javascript image/svg+xml application/json application/problem+json application/health+json;

  # A request id that a client gives is kept when it is well-formed.
  map $http_x_request_id $trace {
    default $request_id;
    "~^[0-9A-Za-z][0-9A-Za-z._-]{7,127}$" $http_x_request_id;
  }
  # The trace that a client says its request belongs to (W3C Trace Context); replicas write the same id into their lines.
  map $http_traceparent $trace_id {
    default "";
    "~^[0-9a-f]{2}-(?<client_trace>[0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}" $client_trace;
  }
  map $request $method { default "-"; "~^(?<verb>[A-Z]+) " $verb; }
  # Without the query: it may hold a ticket.
  map $request_uri $path { default "-"; "~^(?<before_query>[^?]+)" $before_query; }
  # A native EventSource gives up for ever on anything but 200, so a stream that cannot be served now is told when
  # to come back instead.
  map $method:$http_accept $wants_stream {
    default 0;
    "~^GET:.*text/event-stream" 1;
  }
${renderHosts(config)}
${renderRealIp(config.realIp)}${renderRealCertificate(acme)}${renderHeaderMaps(config, acme !== undefined)}${renderLimitZones(config.limits)}${RETRY_MAPS}
${renderUpstream(config)}
  # What goes on inside; no port of the host leads here.
  server {
    listen 127.0.0.1:${STATUS_PORT};
    access_log off;
    default_type text/plain;
    location = /live { return 200 "live\\n"; }
    location = /release { return 200 "${config.release}\\n"; }
    location = /counters { stub_status; }
    location / { return 404; }
  }

  server {
${renderListen(config, [HTTP_PORT, SECOND_HTTP_PORT], "default_server")}
${config.tls ? renderTls(config, acme) : ""}
${renderHeaders(config)}

${renderServerLimits(config)}

${renderErrorPages()}
${acme ? CHALLENGE_LOCATION : ""}${config.upstreams.length > 0 ? renderLocations(config, hostCheck) : `\n    location / {\n      ${maintenanceCheck(config.maintenanceFile)}\n      return 503;\n    }`}
${renderProblems(config.maintenanceFile)}
  }
}
`;
}

/** Other hosts are turned away: a page of another name that resolves here gets no answer of the API. */
function renderHosts({ hosts }: EdgeConfig): string {
  const known = hosts.map(hostPattern).join("|");
  return hosts.length === 0
    ? "  map $http_host $unknown_host { default 0; }"
    : `  map $http_host $unknown_host { default 1; "~*^(${known})(:[0-9]+)?$" 0; }`;
}

/** Whose request it is, and how it came: from the connection, unless that is a proxy that we know. */
function renderRealIp(realIp: RealIp | undefined): string {
  if (realIp === undefined || realIp.from.length === 0) {
    return "  map $https $client_scheme { default http; on https; }\n";
  }
  return `  geo $realip_remote_addr $by_proxy {
    default 0;
${realIp.from.map((cidr) => `    ${cidr} 1;\n`).join("")}  }
  map $by_proxy:$https:$http_x_forwarded_proto $client_scheme {
    default http;
    "~^1:.*:https$" https;
    "~^0:on:" https;
    "~^1:on:$" https;
  }
${realIp.from.map((cidr) => `  set_real_ip_from ${cidr};\n`).join("")}  real_ip_header ${realIp.header};
`;
}

/**
 * One socket a family: an IPv4 client on a socket for both would have another address, ::ffff:192.0.2.1, and other limits. The
 * second port has both, too: an engine may lead from its IPv6 address to the container's IPv4 address.
 */
const renderListen = (
  { ipv6 = false }: EdgeConfig,
  [first, second]: readonly [number, number],
  flags: string,
): string =>
  (ipv6 ? [first, second].flatMap((port) => [String(port), `[::]:${port}`]) : [String(first)])
    .map((address) => `    listen ${address} ${flags};`)
    .join("\n");

/** Mozilla's intermediate profile, guideline 6.0. */
function renderTls(config: EdgeConfig, acme: AcmeEdge | undefined): string {
  const pair = `    ssl_certificate tls/certificate.pem;
    ssl_certificate_key tls/key.pem;
`;
  // With ACME the pair stands at the http level, in a file that is exchanged when there is another one.
  return `${renderListen(config, [HTTPS_PORT, SECOND_HTTPS_PORT], "ssl default_server")}
    http2 on;
${acme ? "" : pair}    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305;
    ssl_ecdh_curve X25519MLKEM768:X25519:prime256v1:secp384r1;
    ssl_prefer_server_ciphers off;
    ssl_session_cache shared:tls:2m;
    # Kept by each connection for as long as its answer lasts, which a stream does for minutes. What is streamed is short.
    ssl_buffer_size 4k;
    ssl_session_tickets off;
`;
}
