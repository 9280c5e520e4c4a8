/** What becomes of the lines when one replica writes very many. */
import { execFile } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { LOGS_PORT } from "../../infra/components/monitoring/plan.ts";
import { execIn } from "../../ops/engine/exec.ts";
import { eventually } from "../../test/support/http.ts";
import { docker, type TestStack } from "../../test/support/stack.ts";
import type { Row } from "../report.ts";
import { one, takenDuring, type WatchedStack } from "./stack.ts";

const run = promisify(execFile);

/** Runs in a replica: lines of a service's length with a number each, at a constant rate, to the container's output. */
const WRITER = `
const [rate, seconds, mark] = [Number(process.argv[1]), Number(process.argv[2]), process.argv[3]];
const out = require("fs").openSync("/proc/1/fd/1", "w");
const rest = "x".repeat(120);
let n = 0;
const started = process.hrtime.bigint();
const tick = () => {
  const elapsed = Number(process.hrtime.bigint() - started) / 1e9;
  const due = Math.min(Math.floor(elapsed * rate), rate * seconds);
  let text = "";
  for (; n < due; n += 1) text += JSON.stringify({ level: "info", mark, n, msg: rest }) + "\\n";
  // Writes until all of it is written: the pipe is as fast as the engine reads it.
  if (text !== "") require("fs").writeSync(out, text);
  if (n < rate * seconds) setTimeout(tick, 20);
  else console.log(JSON.stringify({ written: n, seconds: Number(process.hrtime.bigint() - started) / 1e9 }));
};
tick();
`;

async function ask(stack: TestStack, query: string): Promise<{ text: string; seconds: number }> {
  const store = await one(stack, "victoria-logs");
  const BODY = `query=${encodeURIComponent(query)}`;
  const script = `exec wget -q -O - --post-data "$BODY" "http://127.0.0.1:${LOGS_PORT}/select/logsql/query"`;
  const started = performance.now();
  const { exitCode, output } = await execIn(docker, store, ["sh", "-c", script], { env: { BODY } });
  if (exitCode !== 0) throw new Error(`VictoriaLogs: ${output}`);
  return { text: output, seconds: (performance.now() - started) / 1000 };
}

async function count(stack: TestStack, mark: string): Promise<number> {
  const { text } = await ask(stack, `_time:1h _msg:${JSON.stringify(mark)} | stats count() n`);
  return Number((JSON.parse(text.trim() || "{}") as { n?: string }).n ?? 0);
}

/** @param rate lines a second. @param seconds how long. */
export async function measureFlood(
  { stack }: WatchedStack,
  { rate, seconds }: { readonly rate: number; readonly seconds: number },
): Promise<Row[]> {
  const [mark, other] = [`flood${Date.now()}`, `other${Date.now()}`];
  const writer = await one(stack, "backend");
  const [, neighbour = ""] = await stack.containers("backend");
  let said = { written: 0, seconds: 0 };
  let others = 0;
  const taken = await takenDuring(stack, async () => {
    let isOver = false;
    const flood = run("docker", ["exec", writer, "node", "-e", WRITER, String(rate), String(seconds), mark], {
      maxBuffer: 2 ** 20,
    }).finally(() => (isOver = true));
    flood.catch(() => undefined);
    // A line of another container each second: it must not be lost among them.
    while (!isOver) {
      await execIn(docker, neighbour, ["sh", "-c", `echo "${other} ${others}" > /proc/1/fd/1`]);
      others += 1;
      await sleep(1000);
    }
    said = JSON.parse((await flood).stdout) as typeof said;
  });
  // What is on its way arrives; a count that no longer changes is the last one.
  let before = -1;
  const arrived = performance.now();
  await eventually("a count that stays", 180, async () => {
    const now = await count(stack, mark);
    const isSame = now === before || now === said.written;
    before = now;
    if (!isSame) await sleep(5000);
    return isSame;
  });
  const late = (performance.now() - arrived) / 1000;
  const kept = before;
  const queries = [];
  for (let n = 0; n < 5; n += 1)
    queries.push((await ask(stack, `_time:1h _msg:~"${other} 1" | sort by (_time desc) limit 100`)).seconds);
  const logs = taken.get("victoria-logs");
  const agent = taken.get("vlagent");
  return [
    {
      what: "lines written a second",
      unit: "lines/s",
      values: [said.written / said.seconds],
      detail: `${said.written} in ${said.seconds.toFixed(1)} s by one replica`,
    },
    {
      what: "of them lost",
      unit: "lines",
      values: [said.written - kept],
      limit: 0,
      detail: `${kept} kept; the last of them ${late.toFixed(0)} s after the end`,
    },
    {
      what: "lines of another container lost meanwhile",
      unit: "lines",
      values: [others - (await count(stack, other))],
      limit: 0,
      detail: `${others} written`,
    },
    { what: "a search in the last hour", unit: "s", values: queries, limit: 1 },
    {
      what: "CPU of VictoriaLogs and the agent meanwhile",
      unit: "% of a core",
      values: [((logs?.cores ?? NaN) + (agent?.cores ?? NaN)) * 100],
      detail: `memory then ${logs?.memory.toFixed(0)} and ${agent?.memory.toFixed(0)} MiB`,
    },
  ];
}
