/** What people notice of a backup: how long the service takes to answer while one is taken and proved. */
import { execFileSync } from "node:child_process";
import { createCheckout, removeCheckout } from "../../test/support/checkout.ts";
import { createStack, docker, type TestStack } from "../../test/support/stack.ts";
import { median, type Row } from "../report.ts";
import { buildLoad, calmRound, KINDS } from "../requests/send.ts";
import { settle } from "./settle.ts";

/** Of each round: requests a second of each kind, and how long. */
const calm = { rate: 100, seconds: 4 };
const QUIET_ROUNDS = 4;
/** What the stack's database has, in MiB, so that a backup takes a while. */
const DATA_MIB = 200;

async function edgeOf(stack: TestStack): Promise<string> {
  const [name = ""] = await stack.containers("edge");
  const { NetworkSettings } = await docker.getContainer(name).inspect();
  return `${NetworkSettings.Networks[`omniai-${stack.name}-public`]?.IPAddress ?? ""}:8080`;
}

/** @param folder for the load's program. */
export async function measureService(folder: string): Promise<Row[]> {
  const program = buildLoad(folder);
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
    await calmRound(program, address, calm);
    const quiet: number[][] = [];
    for (let n = 0; n < QUIET_ROUNDS; n += 1) quiet.push(await calmRound(program, address, calm));
    let isDone = false;
    const backup = stack.run("backup", "--json").finally(() => (isDone = true));
    const during: number[][] = [];
    while (!isDone) during.push(await calmRound(program, address, calm));
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
        detail: `${meanwhile?.toFixed(1)} beside ${before?.toFixed(1)} ms, median of ${whole.length} and ${quiet.length} rounds of ${calm.seconds} s at ${calm.rate} a second`,
      };
    });
  } finally {
    await stack.remove();
    removeCheckout(checkout);
  }
}
