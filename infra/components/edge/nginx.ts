/** The edge's nginx.conf: a pure function of what the edge has to know. */

/** One place that requests can go to. */
export interface Upstream {
  /** The container's name, which the engine's DNS resolves. */
  readonly name: string;
  /** Its address when it was made. */
  readonly address?: string;
}

export interface EdgeConfig {
  /** The replicas that are healthy now. Empty: nothing is deployed yet, and every request is told so. */
  readonly upstreams: readonly Upstream[];
  /** The port that replicas serve on. */
  readonly upstreamPort: number;
  /** Shown on the internal port, so that a reload can be seen to have happened. */
  readonly release: string;
  /** With a certificate in tls/, the edge also speaks HTTPS. */
  readonly tls: boolean;
  /** How long an idle client connection stays open, also through a reload, in seconds. */
  readonly keepaliveSeconds: number;
  /** How long a worker of an older configuration may go on with its streams, in seconds. */
  readonly workerShutdownSeconds: number;
}

/** The ports inside the container: above 1023, because nginx runs without capabilities. */
export const HTTP_PORT = 8080;
export const HTTPS_PORT = 8443;
/** Only inside the container: health, release, counters. */
export const STATUS_PORT = 8081;

const JSON_LOG = [
  '"time":"$time_iso8601"',
  '"request_id":"$trace"',
  '"address":"$remote_addr"',
  '"method":"$request_method"',
  // Without the query: it may hold a ticket.
  '"path":"$uri"',
  '"protocol":"$server_protocol"',
  '"status":$status',
  '"bytes":$body_bytes_sent',
  '"seconds":$request_time',
  '"upstream":"$upstream_addr"',
  '"upstream_status":"$upstream_status"',
  '"upstream_seconds":"$upstream_response_time"',
].join(",");

/** Renders nginx.conf. Paths of files are relative to it, so that a release can be tested before it is current. */
export function renderNginx(config: EdgeConfig): string {
  return `# Rendered by the program: a change here is gone with the next deploy.
worker_processes 2;
worker_shutdown_timeout ${config.workerShutdownSeconds}s;
pid /tmp/nginx.pid;
error_log stderr warn;

events {
  # A stream takes two: the client's and the upstream's.
  worker_connections 8192;
}

http {
  log_format json escape=json '{${JSON_LOG}}';
  access_log /dev/stdout json;
  default_type application/octet-stream;
  server_tokens off;
  tcp_nodelay on;
  reset_timedout_connection on;

  # The root is read-only; what nginx buffers goes into memory.
  client_body_temp_path /tmp/client-body;
  proxy_temp_path /tmp/proxy;
  fastcgi_temp_path /tmp/fastcgi;
  uwsgi_temp_path /tmp/uwsgi;
  scgi_temp_path /tmp/scgi;

  # A reload closes at once every connection that was idle for longer than keepalive_min_timeout, and a request just
  # sent on it is lost. So no connection may be idle for longer: the two are the same, and clients that listen are told
  # a second less. A client that keeps idle connections of its own (a tunnel) has to let go of them earlier.
  keepalive_timeout ${config.keepaliveSeconds}s ${Math.max(1, config.keepaliveSeconds - 1)}s;
  keepalive_min_timeout ${config.keepaliveSeconds}s;
  client_header_timeout 10s;
  client_body_timeout 15s;
  client_max_body_size 1m;
  large_client_header_buffers 4 16k;

  gzip on;
  gzip_proxied any;
  gzip_min_length 1024;
  gzip_types application/json application/problem+json application/health+json;

  # A request id that a client gives is kept when it is well-formed.
  map $http_x_request_id $trace {
    default $request_id;
    "~^[0-9A-Za-z_-]{8,64}$" $http_x_request_id;
  }
  # A native EventSource gives up for ever on anything but 200, so a stream that cannot be served now is told when
  # to come back instead.
  map $request_method:$http_accept $wants_stream {
    default 0;
    "~^GET:.*text/event-stream" 1;
  }
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
    listen ${HTTP_PORT} default_server;
${config.tls ? renderTls() : ""}
    add_header X-Request-Id $trace always;
    add_header X-Content-Type-Options nosniff always;

    error_page 400 = @bad_request;
    error_page 404 = @not_found;
    error_page 413 = @too_large;
    error_page 500 502 503 504 = @unavailable;
${config.upstreams.length > 0 ? renderLocations() : "\n    location / { return 503; }\n"}
${renderProblems()}
  }
}
`;
}

function renderUpstream({ upstreams, upstreamPort }: EdgeConfig): string {
  if (upstreams.length === 0) return "";
  // By address, so that the list is whole from the first moment after a reload; and by name, so that a replica that
  // comes back with another address is found within seconds. Neither stops nginx from starting before its replicas.
  const servers = upstreams.flatMap(({ name, address }) => [
    ...(address ? [`server ${address}:${upstreamPort} max_fails=1 fail_timeout=2s;`] : []),
    `server ${name}:${upstreamPort} resolve max_fails=1 fail_timeout=2s;`,
  ]);
  return `
  # The engine's own DNS.
  resolver 127.0.0.11 valid=2s ipv6=off;
  resolver_timeout 2s;
  upstream backend {
    zone backend 256k;
    least_conn;
    ${servers.join("\n    ")}
    keepalive 64;
    # Shorter than the service's own, so that nginx closes first.
    keepalive_timeout 60s;
    keepalive_requests 100000;
  }
`;
}

/** Mozilla's intermediate profile, guideline 6.0. */
function renderTls(): string {
  return `    listen ${HTTPS_PORT} ssl default_server;
    http2 on;
    ssl_certificate tls/certificate.pem;
    ssl_certificate_key tls/key.pem;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305;
    ssl_ecdh_curve X25519MLKEM768:X25519:prime256v1:secp384r1;
    ssl_prefer_server_ciphers off;
    ssl_session_cache shared:tls:2m;
    ssl_session_tickets off;
`;
}

function renderLocations(): string {
  const proxy = `proxy_pass http://backend;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Request-Id $trace;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_connect_timeout 1s;
      # Only before a request has been sent, so no POST is ever done twice.
      proxy_next_upstream error timeout;
      proxy_next_upstream_tries 4;
      proxy_next_upstream_timeout 5s;`;
  return `
    location = /api/events {
      ${proxy}
      # The stream: nothing held back, and quiet for longer than any heartbeat.
      proxy_buffering off;
      proxy_read_timeout 300s;
      send_timeout 60s;
    }
    location /api/ {
      ${proxy}
      proxy_read_timeout 30s;
    }
    location ~ ^/(healthz|readyz|startupz)$ {
      ${proxy}
      proxy_read_timeout 5s;
    }
    location / { return 404; }`;
}

function renderProblems(): string {
  const problem = (name: string, status: number, title: string, more = ""): string => `    location ${name} {
      internal;
      default_type application/problem+json;
      add_header X-Request-Id $trace always;
      add_header Cache-Control no-store always;
${more}      return ${status} '{"type":"about:blank","title":"${title}","status":${status},"instance":"$trace"}\\n';
    }`;
  return [
    problem("@bad_request", 400, "Bad Request"),
    problem("@not_found", 404, "Not Found"),
    problem("@too_large", 413, "Content Too Large"),
    problem(
      "@unavailable",
      503,
      "Service Unavailable",
      `      add_header Retry-After 2 always;
      if ($wants_stream) { rewrite ^ /_stream_later last; }
`,
    ),
    `    location = /_stream_later {
      internal;
      default_type text/event-stream;
      add_header Cache-Control "no-cache, no-transform" always;
      return 200 "retry: 3000\\n\\n";
    }`,
  ].join("\n");
}
