/** The programs of the benchmark that are written in Go: they measure, so they must not be what is measured. */
import { spawn } from "node:child_process";
import { CLIENT_CORE, type Target } from "./servers.ts";

/** What sse-load saw. */
export interface Load {
  readonly opened: number;
  readonly open_at_end: number;
  readonly reconnects: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly publish_failed: number;
  readonly published: number;
  readonly events_per_s: number;
  /** Time from the POST until the last client got the event, ms. */
  readonly last_latency_ms: { readonly p50: number; readonly p99: number; readonly max: number };
  /** When the last client that had lost its stream read an event id on its new one (Unix ms). */
  readonly back_at_ms: number;
}

/** Runs a program on the core of the clients. @returns what it printed. */
function run(program: string, options: Readonly<Record<string, string | number>>): Promise<string> {
  const args = Object.entries(options).flatMap(([name, value]) => [`-${name}`, String(value)]);
  const child = spawn("taskset", ["-c", CLIENT_CORE, program, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  child.stdout.on("data", (data: Buffer) => (text += data.toString()));
  return new Promise((resolve, reject) => {
    child.on("exit", (code) => {
      if (code === 0) resolve(text);
      else reject(new Error(`${program} ended with ${String(code)}`));
    });
  });
}

/** Opens streams and publishes, or only opens streams. */
export async function load(
  program: string,
  target: Target,
  options: Readonly<Record<string, string | number>>,
  isPublishing = true,
): Promise<Load> {
  const publishing: Record<string, string> = isPublishing
    ? { "publish-url": target.publishUrl, "publish-body": target.publishBody }
    : {};
  return JSON.parse(await run(program, { url: target.streamUrl, ...publishing, ...options })) as Load;
}

/** Appends to Redis, each entry waited for until it is on disk. @returns appends a second. */
export const appendLoop = async (
  program: string,
  options: Readonly<Record<string, string | number>>,
): Promise<number> => Number(await run(program, options));
