/**
 * `npm run bench:remote`: how long an operator waits for a stack on another machine, over SSH with 20 ms for a round trip.
 * The other machine is a container with an engine and an sshd of its own. Writes docs/bench/remote.md and remote.json.
 */
import { spawnSync } from "node:child_process";
import { cpus, totalmem } from "node:os";
import { join } from "node:path";
import { exitIfKept } from "../tools/host/npm-flags.ts";
import { prepare } from "../tools/test/prepare.ts";
import { writeReport, type Row } from "./report.ts";
import { createBoxEnvironment, type BoxEnvironment } from "./resilience/box-environment.ts";

const RUNS = 5;
const COMMANDS: readonly { what: string; command: string; args: readonly string[]; limit?: number }[] = [
  { what: "`status`", command: "status", args: [], limit: 4 },
  { what: "`health`", command: "health", args: [] },
  { what: "unchanged `up`, 0 changes", command: "up", args: ["--yes"], limit: 30 },
];

exitIfKept("bench:remote", []);
Object.assign(process.env, await prepare(new Set(["stack"]), true));
const machine = (): string => {
  const engine = spawnSync("docker", ["version", "-f", "{{.Server.Version}}"], { encoding: "utf8" });
  return `${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, engine ${engine.stdout.trim()}`;
};

async function measure({ box, operator }: BoxEnvironment): Promise<Row[]> {
  const measured: Row[] = [];
  let atOnce = 0;
  for (const { what, command, args, ...promise } of COMMANDS) {
    const values: number[] = [];
    let detail = "";
    for (let run = 0; run < RUNS; run += 1) {
      const result = await box.counted(() => operator.counted(command, ...args));
      if (result.code !== 0) throw new Error(`${what} failed:\n${result.output}`);
      if (/\d+ (created|updated|replaced|deleted)/.test(result.output))
        throw new Error(`${what} changed something:\n${result.output}`);
      values.push(result.seconds);
      atOnce = Math.max(atOnce, result.connections.atOnce);
      const calls = result.starts.filter((line) => /^pulumi /.test(line)).length;
      detail = `SSH connections: ${result.connections.all}; starts of the Pulumi CLI: ${calls}`;
    }
    measured.push({ what, unit: "s", values, detail, ...promise });
  }
  return [...measured, { what: "SSH connections at once", unit: "", values: [atOnce], limit: 3 }];
}

const environment = await createBoxEnvironment(`remote-${process.pid}`);
try {
  const rows = await measure(environment);
  for (const { what, unit, values, detail = "" } of rows)
    console.log(`${what}: ${values.map((value) => value.toFixed(1)).join(", ")} ${unit} ${detail}`);
  writeReport(join(import.meta.dirname, "../docs/bench"), "remote", machine(), rows);
} finally {
  await environment.remove();
}
