/** What people notice of a backup: how long the service takes to answer while one is taken and proved. */
import { execFile, execFileSync } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { createCheckout, removeCheckout } from "../../test/support/checkout.ts";
import { createStack, docker, type TestStack } from "../../test/support/stack.ts";
import { buildProgram } from "../go-program.ts";
import { median, type Row } from "../report.ts";
import { settle } from "./settle.ts";

/** Requests a second of each kind. */
const RATE = 100;
const QUIET_ROUNDS = 4;
/** What the stack's database has, in MiB, so that a backup takes a while. */
const DATA_MIB = 200;
const SERVED = "127.0.0.1";
const run = promisify(execFile);

const KINDS = [
  { name: "reads", path: "/api/diag/health-summary", body: undefined },
  { name: "events", path: "/api/events", body: '{"type":"load","data":{"n":1}}' },
] as const;

/** One round of every kind at once. @returns the p99 of each, in ms */
async function round(program: string, address: string): Promise<number[]> {
  return Promise.all(
    KINDS.map(async ({ path, body }) => {
      const args = { address, host: SERVED, path, rate: RATE, connections: 20, duration: "4s" };
      const flags = Object.entries(args).flatMap(([name, value]) => [`-${name}`, String(value)]);
      const { stdout } = await run(program, [...flags, ...(body === undefined ? [] : ["-body", body])]);
      const { p99, failed } = JSON.parse(stdout) as { p99: number; failed: number };
      // What is refused is answered fast: it must not pass for a good answer.
      if (failed > 0) throw new Error(`${failed} requests of ${path} were not answered by 2xx`);
      return p99;
    }),
  );
}

async function edgeOf(stack: TestStack): Promise<string> {
  const [name = ""] = await stack.containers("edge");
  const { NetworkSettings } = await docker.getContainer(name).inspect();
  return `${NetworkSettings.Networks[`omniai-${stack.name}-public`]?.IPAddress ?? ""}:8080`;
}

/** @param folder for the load's program. */
export async function measureService(folder: string): Promise<Row[]> {
  const program = buildProgram(join(import.meta.dirname, "../requests/load"), folder);
  const checkout = createCheckout();
  const limits = { edgeRequestRate: 100_000, edgeConnections: 10_000, requestsPerMinute: 1_000_000 };
  const stack = await createStack(checkout, { ...limits, backups: "always" }, `data-${process.pid}`);
  try {
    const { code, output } = await stack.run("up", "--yes");
    if (code !== 0) throw new Error(`up failed:\n${output}`);
    const fill = `CREATE TABLE filled AS SELECT n, md5(n::text) || md5((n + 1)::text) AS text FROM generate_series(1, ${DATA_MIB * 10_000}) n`;
    execFileSync("docker", [
      ...["exec", `omniai-${stack.name}-postgres`, "psql", "-XqU", "postgres", "-d", "omniai", "-c", fill],
    ]);
    await settle(stack);
    const address = await edgeOf(stack);
    await round(program, address);
    const quiet: number[][] = [];
    for (let n = 0; n < QUIET_ROUNDS; n += 1) quiet.push(await round(program, address));
    let isDone = false;
    const backup = stack.run("backup", "--json").finally(() => (isDone = true));
    const during: number[][] = [];
    while (!isDone) during.push(await round(program, address));
    const { code: backupCode, output: said } = await backup;
    if (backupCode !== 0) throw new Error(`the backup failed:\n${said}`);
    // The last round went on after the backup had ended.
    const whole = during.length > 1 ? during.slice(0, -1) : during;
    return KINDS.map(({ name }, index) => {
      const [before, meanwhile] = [quiet, whole].map((all) => median(all.map((one) => one[index] ?? NaN)));
      return {
        what: `p99 of the service's ${name} during a backup, beside quiet`,
        unit: "×",
        values: [(meanwhile ?? NaN) / (before ?? NaN)],
        limit: 2,
        detail: `${meanwhile?.toFixed(1)} beside ${before?.toFixed(1)} ms, median of ${whole.length} and ${quiet.length} rounds of 4 s at ${RATE} a second`,
      };
    });
  } finally {
    await stack.remove();
    removeCheckout(checkout);
  }
}
