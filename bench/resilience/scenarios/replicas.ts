/** A replica that dies, hangs, or takes more than its share. */
import { execFile, execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { eventually } from "../../../test/support/http.ts";
import { docker, programOf } from "../../../test/support/stack.ts";
import { atMost, nothingDropped, nothingLost } from "../judge.ts";
import type { Evidence, Outcome, Scenario, Verdict } from "../scenario.ts";
import type { StackEnvironment } from "../stack-environment.ts";
import { GET } from "../traffic.ts";
import { noneRestarted, restartsOf } from "./restarts.ts";

/** A replica before the act. `name` is the name of its container, `host` its host name. */
interface Victim {
  readonly name: string;
  readonly host: string;
  readonly restarts: number;
}

async function choose(environment: StackEnvironment): Promise<Victim> {
  const [name] = await environment.stack.containers("backend");
  if (name === undefined) throw new Error("no replica runs");
  const { Config, RestartCount } = await docker.getContainer(name).inspect();
  return { name, host: Config.Hostname, restarts: RestartCount };
}

/** Waits until the engine has restarted it and reports it healthy. @returns seconds since `began`. */
async function healed(victim: Victim, began: number): Promise<number> {
  await eventually(`${victim.name} healthy again`, 90, async () => {
    const { RestartCount, State } = await docker.getContainer(victim.name).inspect();
    return RestartCount > victim.restarts && State.Health?.Status === "healthy";
  });
  return (Date.now() - began) / 1000;
}

/**
 * Time from the end of a replica's process to the first answer after its restart, s; infinite if there was no answer.
 * @param killed Unix ms. Answers that it sent before arrive within a second.
 */
function backAfter({ account }: Evidence, host: string, killed: number): number {
  const index = account.requests.replicas.indexOf(host);
  const answers = account.requests.samples
    .filter(([at, , ms, , replica]) => index >= 0 && replica === index && at + ms > killed + 1000)
    .map(([at, , ms]) => at + ms);
  return (Math.min(...answers) - killed) / 1000;
}

/** How long it may take until a replica that ended is back in rotation, s. */
const BACK_SECONDS = 10;
/** Its part of an outcome. The engine may report it healthy before the edge sends anything to it again. */
const backInRotation = (
  victim: Victim,
  ended: number,
): { loadUntil: number; judgeBack: (evidence: Evidence) => Verdict } => ({
  loadUntil: ended + (BACK_SECONDS + 1) * 1000,
  judgeBack: (evidence: Evidence): Verdict =>
    atMost("back in rotation after", backAfter(evidence, victim.host, ended), BACK_SECONDS, "s"),
});

/**
 * Only requests that were in flight when the process ended may fail, and none of them may be a GET.
 * @param gone when the kernel had closed its connections (Unix ms). Until then they accept requests that are never
 *   answered.
 */
const onlyInFlight = (evidence: Evidence, killed: number, gone: number): Verdict[] => {
  const late = evidence.failures.filter(
    ({ kind, at, ms }) => kind !== GET && !(at <= gone && at + ms >= killed),
  );
  return [
    { what: `failed GET: ${evidence.figures.failed[GET] ?? 0}`, holds: evidence.figures.failed[GET] === 0 },
    { what: `failed POST that were not in flight: ${late.length}`, holds: late.length === 0 },
  ];
};

/** Waits until a process has ended, even if its parent has not collected it yet. @returns Unix ms. */
async function end(pid: number): Promise<number> {
  const isThere = (): boolean => {
    try {
      return !readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");
    } catch {
      return false;
    }
  };
  while (isThere()) await new Promise((resolve) => setTimeout(resolve, 2));
  return Date.now();
}

const kill: Scenario<StackEnvironment> = {
  name: "kill-replica",
  what: "SIGKILL of one replica's process",
  async act(environment, began) {
    const victim = await choose(environment);
    const pid = await programOf(victim.name);
    const killed = Date.now();
    process.kill(pid, "SIGKILL");
    const gone = await end(pid);
    const recovery = await healed(victim, began);
    const { loadUntil, judgeBack } = backInRotation(victim, killed);
    const judge = (evidence: Evidence): Verdict[] => [
      ...onlyInFlight(evidence, killed, gone),
      judgeBack(evidence),
    ];
    return { recovery, loadUntil, judge };
  },
  judge: nothingLost,
};

const hang: Scenario<StackEnvironment> = {
  name: "hang",
  what: "SIGSTOP of one replica's process",
  async act(environment, began) {
    const victim = await choose(environment);
    process.kill(await programOf(victim.name), "SIGSTOP");
    const recovery = await healed(victim, began);
    return { recovery, verdicts: [atMost("healed after", recovery, 30, "s")] };
  },
  judge: (evidence) => {
    // The edge has taken it out of rotation: no later request waited for it or failed.
    const limit = evidence.began + 10_000;
    const slow = evidence.account.requests.samples.filter(([at, , ms]) => at > limit && ms > 5000);
    const failed = evidence.failures.filter(({ at }) => at > limit);
    const both = slow.length + failed.length;
    return [
      {
        what: `requests that failed or took over 5 s, begun more than 10 s after: ${both}`,
        holds: both === 0,
      },
      ...nothingLost(evidence),
    ];
  },
};

/** How much later than it happened the engine may tell of an event, ms. */
const TOLD_LATE = 1000;

const memory: Scenario<StackEnvironment> = {
  name: "memory",
  what: "a replica out of memory",
  async act(environment, began) {
    const victim = await choose(environment);
    const before = await restartsOf(environment);
    const since = Math.floor(Date.now() / 1000);
    // The kernel kills the process with the highest score, and that would be the one that allocates.
    writeFileSync(`/proc/${await programOf(victim.name)}/oom_score_adj`, "1000");
    const allocate = "const kept = []; for (;;) kept.push(Buffer.alloc(2 ** 22, 1));";
    await run("docker", ["exec", victim.name, "node", "-e", allocate], 60_000);
    const recovery = await healed(victim, began);
    const until = String(Math.ceil(Date.now() / 1000));
    const filters = [
      "--filter",
      "event=oom",
      "--filter",
      "event=die",
      "--filter",
      `container=${victim.name}`,
    ];
    const told = await run(
      "docker",
      [
        "events",
        "--since",
        String(since),
        "--until",
        until,
        "--format",
        "{{.TimeNano}} {{.Action}}",
        ...filters,
      ],
      20_000,
    );
    const timeOf = (event: string): number =>
      Number(new RegExp(`^(\\d+) ${event}$`, "m").exec(told)?.[1]) / 1e6;
    const died = timeOf("die");
    if (Number.isNaN(died)) throw new Error(`the engine tells of no end of ${victim.name}:\n${told}`);
    const { loadUntil, judgeBack } = backInRotation(victim, died);
    return {
      recovery,
      loadUntil,
      verdicts: [
        { what: "the engine tells of it (event oom)", holds: / oom$/m.test(told) },
        await noneRestarted(environment, before, victim.name),
      ],
      judge: (evidence) => [
        ...onlyInFlight(evidence, Math.min(timeOf("oom"), died) - TOLD_LATE, died),
        judgeBack(evidence),
      ],
    };
  },
  judge: nothingLost,
};

/** Runs a program to its end without blocking the event loop. @returns its output, whatever its exit code. */
const run = (program: string, args: readonly string[], timeout: number): Promise<string> =>
  new Promise((resolve) => {
    execFile(program, args, { timeout, maxBuffer: 2 ** 24 }, (_error, stdout) => resolve(stdout));
  });

const logs: Scenario<StackEnvironment> = {
  name: "logs",
  what: "1 GB of logs from one replica",
  async act(environment): Promise<Outcome> {
    const victim = await choose(environment);
    const flood = "head -c 1000000000 /dev/zero | tr '\\0' x | fold -w 1000 > /proc/1/fd/1";
    const written = await run("docker", ["exec", victim.name, "sh", "-c", `${flood} && echo all`], 300_000);
    const { LogPath } = await docker.getContainer(victim.name).inspect();
    const sizes = execFileSync("sh", ["-c", 'du -cb "$0"* | tail -1 | cut -f1', LogPath], {
      encoding: "utf8",
    });
    return {
      verdicts: [
        { what: "all of it was written", holds: written === "all\n" },
        // Three files of 10 MB; the engine rotates after the line that exceeds the limit.
        atMost("disk that its logs take", Number(sizes) / 1e6, 31, "MB"),
      ],
    };
  },
  judge: nothingDropped,
};

export const REPLICA_FAULTS: readonly Scenario<StackEnvironment>[] = [kill, hang, memory, logs];
