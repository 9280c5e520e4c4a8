/** PostgreSQL and Redis in containers, for tests. A missing engine is an error, not a skip. */
import { execFile, execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { createClient } from "redis";
import { SERVICE_RULES } from "../../../infra/components/cache/redis.ts";
import { freePort } from "../../../tools/host/free-port.ts";
import { loadConfig } from "../../src/platform/env/config.ts";
import { loadMigrations } from "../../src/migrate/files.ts";
import { migrate } from "../../src/migrate/run.ts";
import { createLogger } from "../../src/platform/logging.ts";

function newAdmin(port: number) {
  const admin = createClient({ url: `redis://127.0.0.1:${port}` });
  admin.on("error", () => undefined);
  return admin;
}

/** Throwaway PostgreSQL and Redis in containers, for tests that want the real ones. No engine is an error, not a skip. */
const run = promisify(execFile);
const POSTGRES_IMAGE = process.env.OMNIAI_TEST_POSTGRES_IMAGE ?? "postgres:17-trixie";
const REDIS_IMAGE = process.env.OMNIAI_TEST_REDIS_IMAGE ?? "redis:8";

export async function docker(...args: string[]): Promise<string> {
  const { stdout } = await run("docker", args, { timeout: 60_000 });
  return stdout.trim();
}

const PAUSE_TRIES = 20;

const started = new Set<string>();
/** A network of this run's own, because every container can be on the engine's default network. */
const NETWORK = `omniai-test-${randomBytes(4).toString("hex")}`;

let networked: Promise<string> | undefined;

function removeAll(): void {
  if (networked === undefined) return;
  // Also where a test has removed all of its own: the network is still there.
  if (started.size > 0)
    execFileSync("docker", ["rm", "--force", "--volumes", ...started], { stdio: "ignore" });
  execFileSync("docker", ["network", "rm", NETWORK], { stdio: "ignore" });
  started.clear();
  networked = undefined;
}

/** A container that answers on a port of this machine; the port stays the same after a restart. */
export class TestServer {
  readonly name: string;
  readonly port: number;

  constructor(name: string, port: number) {
    this.name = name;
    this.port = port;
  }

  /** @param address on which it answers; containers of others reach one that is not the loopback's. */
  static async start(
    kind: string,
    containerPort: number,
    options: string[],
    command: string[],
    address = "127.0.0.1",
  ): Promise<TestServer> {
    const name = `omniai-test-${kind}-${randomBytes(4).toString("hex")}`;
    const port = await freePort();
    networked ??= docker("network", "create", "--label", "io.omniai.test=service", NETWORK);
    await networked;
    started.add(name);
    const publish = ["--publish", `${address}:${port}:${containerPort}`, "--label", "io.omniai.test=service"];
    await docker("run", "--detach", "--name", name, "--network", NETWORK, ...publish, ...options, ...command);
    return new TestServer(name, port);
  }

  exec(...command: string[]): Promise<string> {
    return docker("exec", this.name, ...command);
  }

  /** Again where the engine could not: the kernel stops processes that get no processor only when they get one. */
  async pause(): Promise<void> {
    for (let left = PAUSE_TRIES - 1; ; left--) {
      try {
        await docker("pause", this.name);
        return;
      } catch (error) {
        if (left === 0 || !/unable to freeze/.test(String(error))) throw error;
        await sleep(500);
      }
    }
  }

  unpause(): Promise<string> {
    return docker("unpause", this.name);
  }

  /** Kills it (SIGKILL), then starts it again with the same data. */
  async crash(): Promise<void> {
    await docker("kill", this.name);
    await docker("start", this.name);
  }

  /** Restarts it as an operator does: it is told to stop, and starts again with the same data. */
  async restart(): Promise<void> {
    await docker("restart", this.name);
  }

  /** Kills it (SIGKILL); it stays down until `restart`. */
  async kill(): Promise<void> {
    await docker("kill", this.name);
  }

  async remove(): Promise<void> {
    await docker("rm", "--force", "--volumes", this.name);
    started.delete(this.name);
  }
}

async function until(what: string, isUp: () => Promise<unknown>): Promise<void> {
  const end = Date.now() + 55_000;
  for (;;) {
    try {
      if (await isUp()) return;
    } catch (error) {
      if (Date.now() > end) throw new Error(`${what} did not come up`, { cause: error });
    }
    if (Date.now() > end) throw new Error(`${what} did not come up`);
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
}

export interface Servers {
  readonly postgres: TestServer;
  readonly redis: TestServer;
  /** A user without restrictions, for everything that an operator might do. */
  readonly admin: ReturnType<typeof newAdmin>;
  /** Variables that point a service at them. */
  readonly environment: Readonly<Record<string, string>>;
}

/** The wire ids of all events in the log. Tests compare what clients got with them. */
export async function loggedIds({ admin }: Servers): Promise<string[]> {
  const entries = (await admin.xRange("omniai:events:log", "-", "+")) ?? [];
  return entries.map(({ id, message }) => `${message.e}-${id}`);
}

let servers: Promise<Servers> | undefined;

async function startServers(): Promise<Servers> {
  const [postgres, redis] = await Promise.all([
    startPostgres(),
    TestServer.start(
      "redis",
      6379,
      [REDIS_IMAGE],
      [
        ..."redis-server --appendonly yes --appendfsync everysec --maxmemory-policy noeviction --maxmemory 512mb".split(
          " ",
        ),
        "--user",
        "service",
        "on",
        ">test",
        // The tests use the deployed access rules, which proves that these allow enough.
        ...SERVICE_RULES,
      ],
    ),
  ]);
  await until("Redis", async () => (await redis.exec("redis-cli", "ping")) === "PONG");
  const admin = newAdmin(redis.port);
  await admin.connect();
  const started = {
    postgres,
    redis,
    admin,
    environment: {
      ...environmentOf(postgres),
      OMNIAI_REDIS_URL: `redis://127.0.0.1:${redis.port}`,
      OMNIAI_REDIS_USERNAME: "service",
      OMNIAI_REDIS_PASSWORD_FILE: new URL("./password.txt", import.meta.url).pathname,
    },
  };
  return started;
}

/** Starts it and migrates it before the first replica, as the deploy does. @param options more for `docker run`. */
export async function startPostgres(options: readonly string[] = []): Promise<TestServer> {
  const environment = ["POSTGRES_USER=omniai", "POSTGRES_DB=omniai", "POSTGRES_PASSWORD=test"];
  const server = await TestServer.start(
    "postgres",
    5432,
    [...options, ...environment.flatMap((each) => ["-e", each]), POSTGRES_IMAGE],
    ["-c", "shared_preload_libraries=pg_stat_statements", "-c", "fsync=off"],
  );
  const sql = "CREATE EXTENSION IF NOT EXISTS pg_stat_statements";
  await until("PostgreSQL", () =>
    server.exec("psql", "-h", "127.0.0.1", "-U", "omniai", "-tAc", sql, "omniai"),
  );
  const { postgres } = loadConfig(environmentOf(server));
  await migrate(postgres, loadMigrations(), createLogger({ level: "silent", replica: "", build: "" }));
  return server;
}

/** Variables that point a service at a PostgreSQL. */
export const environmentOf = ({ port }: TestServer): Record<string, string> => ({
  PGHOST: "127.0.0.1",
  PGPORT: String(port),
  OMNIAI_POSTGRES_PASSWORD_FILE: new URL("./password.txt", import.meta.url).pathname,
});

/** The same pair for all suites of a run. It is removed after the last suite, even if some failed. */
export function testServers(): Promise<Servers> {
  return (servers ??= startServers());
}

process.once("exit", removeAll);
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));

after(async function () {
  this.timeout(30_000);
  await servers?.then(
    ({ admin }) => admin.destroy(),
    () => undefined,
  );
  removeAll();
});
