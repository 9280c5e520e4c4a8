/**
 * The same service on the same machines as Docker's own commands deploy it, with their defaults, for the comparison: no health
 * check, the old task stopped before the new one starts. Only what does not exist on every kernel is not the default: without
 * IPVS there are no virtual addresses and no mesh of ports, so a plain nginx on each machine asks the DNS for the tasks.
 */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { PUBLIC_PORT } from "../../infra/components/backend/backend.ts";
import { eventually } from "../../test/support/http.ts";
import type { SwarmStack } from "../../test/support/swarm/stack.ts";
import { labEnvironment, type LabEnvironment } from "./environment.ts";

const names = { backend: "plain", edge: "plain-edge" } as const;
const PORT = 8090;
/** How long everything may take to leave a machine, in seconds. */
const LEAVE_SECONDS = 120;

/** Of the edge: as many connections as the load has, each with its own to a task. nginx' own 512 would be what fails, and not Docker. */
const CONNECTIONS = 4096;

const NGINX = `worker_processes auto;
worker_rlimit_nofile ${2 * CONNECTIONS};
events { worker_connections ${CONNECTIONS}; }
http {
  resolver 127.0.0.11 valid=1s ipv6=off;
  server {
    listen ${PORT};
    location / {
      set $service tasks.${names.backend};
      proxy_pass http://$service:${PUBLIC_PORT};
      proxy_http_version 1.1;
      proxy_buffering off;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $remote_addr;
    }
  }
}
`;

interface TaskFile {
  readonly File: { readonly Name: string; readonly UID: string; readonly GID: string; readonly Mode: number };
}

/** The parts of a task that are taken over from the stack's. */
interface Task {
  readonly ContainerSpec: {
    readonly Image: string;
    readonly Env?: readonly string[];
    readonly Secrets?: readonly (TaskFile & { readonly SecretName: string })[];
  };
  readonly Networks: readonly { readonly Target: string }[];
}

/** Pure: what `docker service create` is told, so that its tasks do what those of the stack do. */
export function serviceArguments(task: Task, name: string, replicas: number): string[] {
  const { Env = [], Secrets = [] } = task.ContainerSpec;
  const secrets = Secrets.map(
    ({ SecretName, File: { Name, UID, GID, Mode } }) =>
      `source=${SecretName},target=${Name},uid=${UID},gid=${GID},mode=0${Mode.toString(8)}`,
  );
  return [
    ...["--name", name, "--replicas", String(replicas), "--endpoint-mode", "dnsrr"],
    ...task.Networks.flatMap(({ Target }) => ["--network", Target]),
    ...Env.flatMap((variable) => ["--env", variable]),
    ...secrets.flatMap((secret) => ["--secret", secret]),
  ];
}

/** The stack's own replicas stop; its secrets, its network and its images are used. */
export async function plainOnLab(swarm: SwarmStack): Promise<LabEnvironment> {
  const { manager, registry } = swarm.lab;
  /** Without stopping this process, which counts the time. */
  const docker = async (...args: string[]): Promise<string> =>
    (await promisify(execFile)("docker", ["--host", manager.host, ...args], { maxBuffer: 2 ** 26 })).stdout;
  const taskOf = async (service: string): Promise<Task> =>
    (JSON.parse(await docker("service", "inspect", service)) as [{ Spec: { TaskTemplate: Task } }])[0].Spec
      .TaskTemplate;
  const [backend, edge] = [await taskOf(swarm.services.backend), await taskOf(swarm.services.edge)];
  await docker("service", "scale", `${swarm.services.backend}=0`);

  const first = backend.ContainerSpec.Image;
  const container = (await docker("create", first)).trim();
  await docker("commit", "--change", "LABEL version=2", container, `${names.backend}:2`);
  await docker("rm", container);
  const versions = [first, registry.push(manager, `${names.backend}:2`, names.backend)];

  const folder = mkdtempSync(join(tmpdir(), "omniai-plain-"));
  writeFileSync(join(folder, "nginx.conf"), NGINX);
  await docker("config", "create", names.edge, join(folder, "nginx.conf"));
  rmSync(folder, { recursive: true });
  const create = (...args: string[]): Promise<string> => docker("service", "create", "--quiet", ...args);
  await create(...serviceArguments(backend, names.backend, 2), first);
  await create(
    ...["--name", names.edge, "--mode", "global", "--endpoint-mode", "dnsrr"],
    ...edge.Networks.flatMap(({ Target }) => ["--network", Target]),
    ...["--publish", `mode=host,published=${PORT},target=${PORT}`],
    ...["--config", `source=${names.edge},target=/etc/nginx/nginx.conf`],
    ...[edge.ContainerSpec.Image, "nginx", "-g", "daemon off;"],
  );
  let version = 0;
  const environment = labEnvironment(
    swarm,
    names,
    { scheme: "http", port: PORT },
    {
      async deploy() {
        version = 1 - version;
        await docker("service", "update", "--quiet", "--image", versions[version] ?? first, names.backend);
      },
      scale: async (replicas) => void (await docker("service", "scale", `${names.backend}=${replicas}`)),
      async drain({ name }) {
        const before = environment.placesOf("backend").length;
        await docker("node", "update", "--availability", "drain", name);
        await eventually(`${name} empty`, LEAVE_SECONDS, () => {
          const places = environment.placesOf("backend");
          return places.length === before && !places.includes(name);
        });
      },
    },
  );
  await environment.serving(2);
  return environment;
}
