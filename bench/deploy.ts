/**
 * `npm run bench:deploy`: measures on a stack of its own how long deploys take and what an idle stack needs, and writes
 * docs/bench/deploy.md and deploy.json.
 *
 * `npm run bench:deploy -- --first` measures the very first `npm run up` instead, in a fresh clone. Run it on a new
 * machine before anything else, because it uses whatever this machine has cached. It reports what was cached.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { appendFileSync, mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { createCheckout, removeCheckout } from "../test/support/checkout.ts";
import { createStack, docker, type TestStack } from "../test/support/stack.ts";
import { exitIfKept } from "../tools/host/npm-flags.ts";
import { prepare } from "../tools/test/prepare.ts";
import { median, writeReport, type Row } from "./report.ts";

const RUNS = 3;
const REPOSITORY = join(import.meta.dirname, "..");

const machine = (): string =>
  `${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, engine ${
    spawnSync("docker", ["version", "-f", "{{.Server.Version}}"], { encoding: "utf8" }).stdout.trim() ||
    "none"
  }`;

/** Runs a command of the stack and returns how many seconds it took. @throws Error with its output when it fails. */
async function time(
  stack: TestStack,
  command: string,
  ...args: string[]
): Promise<{ seconds: number; output: string }> {
  const { code, output, seconds } = await stack.run(command, ...args);
  if (code !== 0) throw new Error(`${command} failed:\n${output}`);
  return { seconds, output };
}

/** The memory of all containers of a stack in MiB, without the page cache, as `docker stats` counts it. */
async function memoryOf(stack: TestStack): Promise<Record<string, number>> {
  const names = await stack.containers();
  const entries = await Promise.all(
    names.map(async (name): Promise<[string, number]> => {
      const { memory_stats: stats } = await docker.getContainer(name).stats({ stream: false });
      const detail = stats.stats as unknown as Record<string, number | undefined>;
      const cache = detail["total_inactive_file"] ?? detail["inactive_file"] ?? 0;
      return [name.replace(`omniai-${stack.name}-`, ""), (stats.usage - cache) / 2 ** 20];
    }),
  );
  return Object.fromEntries(entries);
}

async function measureStack(): Promise<Row[]> {
  Object.assign(process.env, await prepare(new Set(["stack"]), true));
  const checkout = createCheckout();
  const stack = await createStack(checkout);
  const rows: Row[] = [];
  try {
    const first = await time(stack, "up", "--yes");
    rows.push({
      what: "first `up` of a stack, toolchain and images there",
      unit: "s",
      values: [first.seconds],
    });

    const unchanged: number[] = [];
    const refreshed: number[] = [];
    for (let run = 0; run < RUNS; run += 1) {
      for (const [args, values] of [
        [[], unchanged],
        [["--refresh"], refreshed],
      ] as [string[], number[]][]) {
        const { seconds, output } = await time(stack, "up", "--yes", ...args);
        if (/\d+ (created|updated|replaced|deleted)/.test(output))
          throw new Error(`an unchanged up changed something:\n${output}`);
        values.push(seconds);
      }
    }
    rows.push({ what: "unchanged `up`, 0 changes", unit: "s", limit: 15, values: unchanged });
    rows.push({ what: "unchanged `up --refresh`, 0 changes", unit: "s", limit: 15, values: refreshed });

    // The stack is idle only after the work that the deploy caused has ended.
    await new Promise((resolve) => setTimeout(resolve, 30_000));
    const memory = await memoryOf(stack);
    const total = Object.values(memory).reduce((sum, value) => sum + value, 0);
    rows.push({
      what: "memory of all containers, idle",
      unit: "MiB",
      limit: 450,
      values: [total],
      detail: Object.entries(memory)
        .map(([name, value]) => `${name} ${value.toFixed(1)}`)
        .join(", "),
    });

    const changed: number[] = [];
    for (let run = 0; run < RUNS; run += 1) {
      appendFileSync(join(checkout, "service/src/main.ts"), `\n// version ${run}\n`);
      changed.push((await time(stack, "up", "--yes")).seconds);
    }
    rows.push({ what: "`up` with a changed service, warm", unit: "s", limit: 90, values: changed });
    const restart = await time(stack, "restart");
    rows.push({ what: "`restart` of two replicas, one at a time", unit: "s", values: [restart.seconds] });
  } finally {
    await stack.remove();
    removeCheckout(checkout);
  }
  return rows;
}

/** The very first run, as a new user does it: a clone and one command. */
function measureFirst(): Row[] {
  const folder = mkdtempSync(join(tmpdir(), "omniai-first-"));
  const had = {
    engine: spawnSync("docker", ["info"], { stdio: "ignore" }).status === 0,
    images: spawnSync("docker", ["image", "ls", "-q"], { encoding: "utf8" }).stdout.trim() !== "",
    toolchain:
      spawnSync("npm", ["run", "-s", "doctor", "--", "--no-install"], { cwd: REPOSITORY }).status === 0,
  };
  try {
    const clone = join(folder, "clone");
    execFileSync("git", ["clone", "-q", REPOSITORY, clone]);
    const started = performance.now();
    const { status } = spawnSync("npm", ["run", "up"], { cwd: clone, stdio: "inherit" });
    const seconds = (performance.now() - started) / 1000;
    if (status !== 0) throw new Error(`npm run up ended with ${String(status)}`);
    spawnSync("npm", ["run", "down", "--", "--delete-data", "--yes"], { cwd: clone, stdio: "inherit" });
    const yes = (there: boolean): string => (there ? "there" : "not there");
    return [
      {
        what: "`npm run up` in a fresh clone",
        unit: "s",
        limit: had.toolchain ? 300 : 1200,
        values: [seconds],
        detail: `before: engine ${yes(had.engine)}, images ${yes(had.images)}, whole toolchain ${yes(had.toolchain)}`,
      },
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

exitIfKept("bench:deploy", [{ name: "first" }]);
const FIRST = process.argv.includes("--first");
const ROWS = FIRST ? measureFirst() : await measureStack();
for (const { what, values, unit, limit } of ROWS) {
  console.log(
    `${what}: ${median(values).toFixed(1)} ${unit}${limit === undefined ? "" : ` (at most ${limit})`}`,
  );
}
writeReport(join(REPOSITORY, "docs/bench"), FIRST ? "deploy-first" : "deploy", machine(), ROWS);
