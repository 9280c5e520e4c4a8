/**
 * The gate through which Alertmanager tells the service of alerts that are to be pushed. The two share no network: whoever
 * reaches Alertmanager can silence it, and the replicas must not (docs/decisions/0054-around-the-service.md). The gate is on a
 * network of each, and lets one path through in one direction.
 */
import type { WorkloadArgs } from "../../workload.ts";

/** The workload's name, and so the host name by which Alertmanager reaches it. */
export const PUSH_GATE = "push-gate";
const PORT = 9096;
const FILES = "/run/omniai";

/** The path of the service's internal port (service/src/push/http/router.ts). */
export const PUSH_HOOK_PATH = "/push/alerts";

const LIVE_PATH = "/live";

/** Where it says that it lives; the replicas ask when somebody sends a test, which does not pass it. */
export const PUSH_GATE_LIVE_URL = `http://${PUSH_GATE}:${PORT}${LIVE_PATH}`;

/** Where Alertmanager posts to. */
export const PUSH_GATE_URL = `http://${PUSH_GATE}:${PORT}${PUSH_HOOK_PATH}`;

/**
 * How long Alertmanager waits, in seconds. The service answers once PostgreSQL has the message; while that is away, when it has
 * tried every device (SEND_MS each at most, AT_ONCE at once).
 */
export const PUSH_SECONDS = 30;

/** Pure: its nginx.conf. Replicas come and go, so their common name is asked for each time. @param port their internal one */
export const renderPushGate = (port: number): string => `worker_processes 1;
pid /tmp/nginx.pid;
error_log stderr warn;
events { worker_connections 64; }
http {
  access_log off;
  server_tokens off;
  client_body_temp_path /tmp/body;
  proxy_temp_path /tmp/proxy;
  fastcgi_temp_path /tmp/fastcgi;
  uwsgi_temp_path /tmp/uwsgi;
  scgi_temp_path /tmp/scgi;
  # The engine's own DNS.
  resolver 127.0.0.11 valid=2s ipv6=off;
  resolver_timeout 2s;
  client_max_body_size 256k;
  server {
    listen ${PORT};
    location = ${LIVE_PATH} { return 204; }
    location = ${PUSH_HOOK_PATH} {
      limit_except POST { deny all; }
      set $replicas backend;
      # Without a path: it is the one of this location.
      proxy_pass http://$replicas:${port};
      proxy_connect_timeout 2s;
      proxy_read_timeout ${PUSH_SECONDS}s;
    }
    location / { return 404; }
  }
}
`;

export const PUSH_GATE_FILE = "nginx.conf";

/** Pure: without its image, its networks and its file. @param user `uid:gid` that owns the file */
export const planPushGate = (
  user: string,
): Omit<WorkloadArgs, "engine" | "image" | "networks" | "volumes" | "dependsOn"> => ({
  kind: "singleton",
  user,
  entrypoint: ["nginx"],
  command: ["-c", `${FILES}/${PUSH_GATE_FILE}`, "-g", "daemon off;"],
  tmpfs: { "/tmp": "size=4m,mode=1777" },
  health: {
    command: ["curl", "-fsS", "-o", "/dev/null", `http://127.0.0.1:${PORT}${LIVE_PATH}`],
    interval: 15,
    timeout: 5,
    startPeriod: 30,
  },
  memory: 24,
  cpus: "0.1",
  pids: 16,
  stopGrace: 5,
});

/** Where its file lies in the container. */
export const PUSH_GATE_FOLDER = FILES;
