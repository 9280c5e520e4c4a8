/** The service in a process of its own. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { eventually, statusOf, testEnvironment } from "./instance.ts";

const MAIN = new URL("../../src/main.ts", import.meta.url).pathname;

interface Line {
  readonly msg?: string;
  readonly port?: number;
  readonly internalPort?: number;
  readonly problems?: readonly string[];
}

export interface Spawned {
  readonly child: ChildProcess;
  readonly lines: Line[];
  readonly exit: Promise<unknown[]>;
}

export interface Process extends Spawned {
  readonly url: string;
  readonly internalUrl: string;
}

/** Processes that a test leaves running are ended with the run. */
export const children = new Set<ChildProcess>();
after(() => {
  for (const child of children) child.kill("SIGKILL");
});

export function spawnMain(environment: Record<string, string>): Spawned {
  const env = { PATH: process.env.PATH ?? "", OMNIAI_LOG_LEVEL: "info", ...environment };
  const child = spawn(process.execPath, [MAIN], { env, stdio: ["ignore", "pipe", "inherit"] });
  children.add(child);
  const lines: Line[] = [];
  // Every line has to be JSON. For any other line, parse throws and the test fails.
  createInterface({ input: child.stdout }).on("line", (line) => lines.push(JSON.parse(line) as Line));
  return { child, lines, exit: once(child, "exit") };
}

/** Starts the service as a process of its own and waits until it is ready. */
export async function startProcess(extra: Record<string, string>): Promise<Process> {
  const started = spawnMain(await testEnvironment({ OMNIAI_LOG_LEVEL: "info", ...extra }));
  const { lines } = started;
  await eventually("listening", () => lines.some(({ msg }) => msg === "listening"));
  const { port, internalPort } = lines.find(({ msg }) => msg === "listening") ?? {};
  const urls = { url: `http://127.0.0.1:${port}`, internalUrl: `http://127.0.0.1:${internalPort}` };
  await eventually("ready", async () => (await statusOf(`${urls.internalUrl}/readyz`)) === 200);
  return { ...started, ...urls };
}

/** Resident memory of a process in bytes, as the process itself reports it. */
export async function memoryOf({ internalUrl }: Process): Promise<number> {
  const text = await (await fetch(`${internalUrl}/metrics`)).text();
  return Number(/^process_resident_memory_bytes (\S+)/m.exec(text)?.[1]);
}
