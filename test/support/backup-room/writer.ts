/** Writes rows at a rate and knows which of them PostgreSQL has acknowledged, by the log of pgbench. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { eventually } from "../http.ts";
import { docker, PASSWORD, POSTGRES } from "./engine.ts";
import type { World } from "./world.ts";

/** Each client counts its own rows, so the row of a line in pgbench's log is known. */
export const TABLE =
  "SET ROLE omniai; CREATE TABLE acknowledged (client int, n int, at timestamptz DEFAULT clock_timestamp());";
const SCRIPT = "\\set n :n + 1\nINSERT INTO acknowledged VALUES (:client_id, :n);\n";
const CLIENTS = 8;
const LOG = "/tmp/omniai-acknowledged";
/** So long may what takes seconds take on a busy machine, in seconds. */
const LONGEST = 120;

/** A row whose commit was acknowledged. */
export interface Acknowledged {
  readonly client: number;
  readonly n: number;
  /** When, in ms since 1970. */
  readonly at: number;
  /** How long the commit took, in ms; without the time that it was behind its schedule. */
  readonly ms: number;
}

export interface Writer {
  /**
   * Until it has written for so many seconds, and as many rows as at its rate: on a busy machine that takes longer.
   * @throws Error when it has ended before
   */
  running(seconds: number): Promise<void>;
  /** Ends it while the server goes on. */
  stop(): Promise<void>;
  /** Until it has ended with the server, or was stopped. @returns the acknowledged rows */
  ended(): Promise<readonly Acknowledged[]>;
}

/** @param rate rows a second, of all clients. */
export async function startWriter(world: World, rate: number): Promise<Writer> {
  // A container of its own, so that its log outlives the server.
  const container = `${world.postgres}-writer`;
  const bench = `pgbench -n -h postgres -U omniai -d omniai -f /tmp/script -D n=0 -c ${CLIENTS} -j 2 -R ${rate} -T 3600 -l --log-prefix=${LOG}`;
  const script = `printf '%s' "$SCRIPT" > /tmp/script; PGPASSWORD=$PASSWORD ${bench} > /tmp/said 2>&1; cat ${LOG}*; cat /tmp/said`;
  await docker(
    ...["run", "-d", "--name", container, "--network", world.network, "--user", "999:999"],
    ...["-e", `SCRIPT=${SCRIPT}`, "-e", `PASSWORD=${PASSWORD}`, POSTGRES, "bash", "-c", script],
  );
  return {
    running: async (seconds) => {
      await sleep(seconds * 1000);
      await eventually("its rows", LONGEST, async () => {
        const state = await docker("inspect", "-f", "{{.State.Running}}", container);
        if (state === "true")
          return Number(await world.sql("SELECT count(*) FROM acknowledged")) >= rate * seconds;
        throw new Error(`the writer has ended: ${await docker("logs", container)}`);
      });
    },
    stop: async () => {
      // Its clients end with their connections, and it writes its log to the end; a signal would end it before that.
      await world.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pgbench'",
      );
    },
    ended: async () => {
      const child = spawn("docker", ["wait", container], { stdio: "ignore" });
      await once(child, "close");
      const log = await docker("logs", container);
      await docker("rm", "--force", "--volumes", container);
      return parseLog(log);
    },
  };
}

/**
 * Pure: the lines "client transaction time script seconds microseconds lag" of pgbench's log. A client waits for one row
 * before it writes the next, so its nth line is its nth row.
 */
export function parseLog(text: string): Acknowledged[] {
  const counts = new Map<number, number>();
  return [...text.matchAll(/^(\d+) \d+ (\d+) \d+ (\d{10}) (\d+)(?: (\d+))?$/gm)].map(
    ([, id, micros, seconds, fraction, lag = "0"]) => {
      const client = Number(id);
      const n = (counts.get(client) ?? 0) + 1;
      counts.set(client, n);
      return {
        client,
        n,
        at: Number(seconds) * 1000 + Number(fraction) / 1000,
        ms: (Number(micros) - Number(lag)) / 1000,
      };
    },
  );
}

/** How many rows of each client are in the data that the room has restored. */
export async function restoredRows(world: World): Promise<Map<number, number>> {
  const text = await world.queryRestored("SELECT client, count(*), max(n) FROM acknowledged GROUP BY client");
  return new Map(
    text
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => {
        const [client = 0, count = 0, last = 0] = line.split("|").map(Number);
        // Each client waits for one row before it writes the next: a hole would be a row that was lost in between.
        if (client >= 0 && count !== last) throw new Error(`client ${client} has ${count} rows of ${last}`);
        return [client, last];
      }),
  );
}

/** What was lost with a server. */
export interface Loss {
  readonly acknowledged: number;
  /** Acknowledged rows that the restored server does not have. */
  readonly missing: number;
  /** How long before the loss the oldest of them was acknowledged, in ms; 0 where none is missing. */
  readonly age: number;
  /** Of the acknowledged rows, in ms. */
  readonly commits: readonly number[];
  /** Why the room could not compare with the stack. */
  readonly what: string;
  readonly restoreSeconds: number;
}

/** How many rows a second are written. */
export const RATE = 500;

/** Writes, ends the server by SIGKILL and deletes its volume, and restores all that the room has. */
export async function loseUnderWrites(world: World, seconds: number): Promise<Loss> {
  const writer = await startWriter(world, RATE);
  await writer.running(seconds);
  const killed = Date.now();
  await world.losePostgres();
  const acknowledged = await writer.ended();
  const started = performance.now();
  const { notCompared } = await world.get<{ notCompared?: string }>("restore", "--keep");
  const restoreSeconds = (performance.now() - started) / 1000;
  const there = await restoredRows(world);
  const missing = acknowledged.filter(({ client, n }) => n > (there.get(client) ?? 0));
  return {
    acknowledged: acknowledged.length,
    missing: missing.length,
    age: killed - missing.reduce((least, { at }) => Math.min(least, at), killed),
    commits: acknowledged.map(({ ms }) => ms),
    what: notCompared ?? "",
    restoreSeconds,
  };
}
