/** The servers that `npm run bench:service` compares, each pinned to one core and on the loopback only. */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The core for the server, and the core for everything else. */
export const SERVER_CORE = "0";
export const CLIENT_CORE = "1";

export interface Target {
  readonly name: string;
  readonly streamUrl: string;
  readonly publishUrl: string;
  /** `%s` stands for the event. */
  readonly publishBody: string;
  /** The process that holds the streams. */
  readonly pid: () => number;
  readonly restart: () => Promise<void>;
  readonly stop: () => void;
  /** Where its Redis is, if it has one. */
  readonly redis?: string;
}

const REDIS_PORT = 21_279;
const HERE = import.meta.dirname;
const DEBIAN_STATE = "/var/lib/nginx";

function run(program: string, args: readonly string[], cwd?: string): string {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: "utf8", cwd });
  if (status !== 0) throw new Error(`${program} ${args.join(" ")}: ${stderr || String(status)}`);
  return stdout.trim();
}

function pinned(command: readonly string[], env: NodeJS.ProcessEnv): ChildProcess {
  return spawn("taskset", ["-c", SERVER_CORE, ...command], {
    // The whole environment is not passed on, because the service refuses OMNIAI_* names that it does not know.
    env: { PATH: process.env["PATH"], ...env },
    stdio: ["ignore", "ignore", "inherit"],
  });
}

async function answers(url: string): Promise<void> {
  for (const end = Date.now() + 15_000; ;) {
    const ok = await fetch(url).then(
      (response) => response.ok,
      () => false,
    );
    if (ok) return;
    if (Date.now() > end) throw new Error(`${url} does not answer`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/** Kills the server and starts it again, to see what a crash does to the streams. */
function restartable(
  start: () => ChildProcess,
): Pick<Target, "pid" | "stop"> & { readonly again: () => Promise<void> } {
  let child = start();
  return {
    pid: () => child.pid ?? 0,
    stop: () => void child.kill("SIGKILL"),
    again: async () => {
      const gone = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGKILL");
      await gone;
      child = start();
    },
  };
}

/** This service, run as in its image (types stripped, the same flags), with its own Redis that always fsyncs. */
export async function omniai(): Promise<Target> {
  const folder = mkdtempSync(join(tmpdir(), "omniai-bench-"));
  const repository = join(HERE, "../..");
  run("cp", ["-r", join(repository, "service"), folder]);
  run("ln", ["-s", join(repository, "node_modules"), join(folder, "node_modules")]);
  run(process.execPath, ["--disable-warning=ExperimentalWarning", join(folder, "service/build.mjs")]);
  const redis = run("docker", [
    ...[
      "run",
      "--detach",
      "--rm",
      "--cpuset-cpus",
      CLIENT_CORE,
      "--publish",
      `127.0.0.1:${REDIS_PORT}:6379`,
      "redis:8",
    ],
    ..."redis-server --appendonly yes --appendfsync always".split(" "),
  ]);
  const many = "20000";
  const env = {
    OMNIAI_PORT: "21201",
    OMNIAI_INTERNAL_PORT: "21202",
    OMNIAI_REDIS_URL: `redis://127.0.0.1:${REDIS_PORT}`,
    // Events need no database, so a missing one must not keep the service from being ready.
    PGPORT: "1",
    OMNIAI_OPTIONAL_CHECKS: "database,migrations",
    OMNIAI_MAX_STREAMS: many,
    OMNIAI_MAX_STREAMS_PER_ADDRESS: many,
    // One address may use half of this limit.
    OMNIAI_STREAM_CONNECT_BURST: String(2 * Number(many)),
    // One address publishes everything: its requests are counted as usual, and never refused.
    OMNIAI_LIMIT_REQUESTS_PER_MINUTE: "10000000",
  };
  const flags =
    readFileSync(join(repository, "service/Dockerfile"), "utf8").match(/--[a-z-]+=?\d*(?=",)/g) ?? [];
  const main = join(folder, "service/dist/main.js");
  const { again, ...rest } = restartable(() =>
    pinned([process.execPath, ...flags.filter((flag) => flag.startsWith("--max-")), main], env),
  );
  const ready = (): Promise<void> => answers("http://127.0.0.1:21202/readyz");
  const stop = (): void => {
    rest.stop();
    run("docker", ["rm", "--force", redis]);
    run("rm", ["-rf", folder]);
  };
  await ready().catch((error: unknown) => {
    stop();
    throw error;
  });
  return {
    ...rest,
    name: "this service",
    streamUrl: "http://127.0.0.1:21201/api/events",
    publishUrl: "http://127.0.0.1:21201/api/events",
    publishBody: '{"type":"load","data":%s}',
    restart: async () => {
      await again();
      await answers("http://127.0.0.1:21201/healthz");
    },
    stop,
    redis: `127.0.0.1:${REDIS_PORT}`,
  };
}

/** A fan-out that does nothing else: what the kernel alone costs. @param program where it was built. */
export async function probe(program: string): Promise<Target> {
  const { again, ...rest } = restartable(() => pinned([program, "-address", "127.0.0.1:21205"], {}));
  await answers("http://127.0.0.1:21205/");
  return {
    ...rest,
    name: "a bare fan-out",
    streamUrl: "http://127.0.0.1:21205/events",
    publishUrl: "http://127.0.0.1:21205/",
    publishBody: '{"type":"load","data":%s}',
    restart: again,
  };
}

export async function betterSse(): Promise<Target> {
  const { again, ...rest } = restartable(() => pinned([process.execPath, join(HERE, "better-sse.ts")], {}));
  await answers("http://127.0.0.1:21203/");
  return {
    ...rest,
    name: "better-sse 0.16.1",
    streamUrl: "http://127.0.0.1:21203/events",
    publishUrl: "http://127.0.0.1:21203/events",
    publishBody: "%s",
    restart: again,
  };
}

/** Debian's nginx and its nchan module, unpacked from their packages into a folder; nothing is installed. */
export async function nchan(): Promise<Target> {
  const folder = mkdtempSync(join(tmpdir(), "omniai-bench-nchan-"));
  run("apt-get", ["download", "-q", "nginx", "libnginx-mod-nchan"], folder);
  for (const file of readdirSync(folder)) run("dpkg", ["-x", join(folder, file), join(folder, "root")]);
  mkdirSync(join(folder, "logs"));
  const module = run("find", [join(folder, "root"), "-name", "ngx_nchan_module.so"]);
  const config = join(folder, "nginx.conf");
  writeFileSync(
    config,
    `load_module ${module};
daemon off;
master_process off;
pid ${folder}/nginx.pid;
worker_rlimit_nofile 20000;
events { worker_connections 16000; }
http {
  access_log off;
  ${["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((kind) => `${kind}_temp_path ${folder}/${kind};`).join("\n  ")}
  nchan_shared_memory_size 256M;
  server {
    listen 127.0.0.1:21204 backlog=4096;
    location = /up { return 200; }
    location = /sub { nchan_subscriber eventsource; nchan_channel_id all; nchan_subscriber_first_message newest; nchan_message_buffer_length 10000; }
    location = /pub { nchan_publisher; nchan_channel_id all; nchan_message_buffer_length 10000; nchan_message_timeout 1h; }
  }
}
`,
  );
  const nginx = join(folder, "root/usr/sbin/nginx");
  // With nchan, nginx creates Debian's folder for request bodies, whatever the configuration says.
  const made = existsSync(DEBIAN_STATE) ? undefined : mkdirSync(DEBIAN_STATE, { recursive: true });
  const { again, ...rest } = restartable(() =>
    pinned([nginx, "-p", folder, "-c", config, "-e", join(folder, "logs/error.log")], {}),
  );
  await answers("http://127.0.0.1:21204/up");
  return {
    ...rest,
    name: `nchan ${/nchan_(\S+?)_/.exec(readdirSync(folder).join(" "))?.[1]?.replace("%3a", ":") ?? ""}`,
    streamUrl: "http://127.0.0.1:21204/sub",
    publishUrl: "http://127.0.0.1:21204/pub",
    publishBody: "%s",
    restart: again,
    stop: () => {
      rest.stop();
      run("rm", ["-rf", folder, ...(made === undefined ? [] : [made])]);
    },
  };
}
