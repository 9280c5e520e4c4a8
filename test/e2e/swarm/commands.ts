/** The operator's commands on a swarm: they see all of its nodes, and maintenance is on all of them. */
import { strict as assert } from "node:assert";
import { setTimeout as sleep } from "node:timers/promises";
import { MAINTENANCE_TYPE } from "../../../infra/components/edge/maintenance.ts";
import { call, eventually } from "../../support/http.ts";
import type { CommandResult, TestStack } from "../../support/stack.ts";
import type { Lab } from "../../support/swarm/lab.ts";
import type { Machine } from "../../support/swarm/machine.ts";

/** A stack that is deployed on its three machines with two replicas, as it is again after each test. */
export interface Deployed {
  readonly lab: Lab;
  readonly stack: TestStack;
  /** The edge of a machine. */
  readonly urlOf: (machine: Machine) => string;
  /** Waits until so many replicas run. */
  readonly serving: (count: number, seconds?: number) => Promise<unknown>;
  /** Waits until every machine is in the swarm, with an edge. */
  readonly whole: () => Promise<unknown>;
}

const good = ({ code, output }: CommandResult): void => assert.equal(code, 0, output);

/** How often a machine is asked while its answers are watched, in ms. */
const ASK_MS = 50;
/** How many answers in a row say how a machine answers now. */
const ENOUGH = 5;

interface Asked {
  /** When the request began, in Unix ms. */
  readonly at: number;
  readonly got: "maintenance" | "an answer" | "nothing";
  /** What it was, for people. */
  readonly detail: string;
}

/** Asks each machine again and again, each time on a connection of its own. */
function watchAnswers(machines: readonly Machine[], urlOf: (machine: Machine) => string) {
  const seen = new Map<Machine, Asked[]>(machines.map((machine) => [machine, []]));
  let isOver = false;
  const ask = async (machine: Machine): Promise<Asked> => {
    const at = Date.now();
    try {
      const { status, text } = await call(`${urlOf(machine)}/api/diag`);
      const isMaintenance = status === 503 && text.includes(MAINTENANCE_TYPE);
      return { at, got: isMaintenance ? "maintenance" : "an answer", detail: `${status} ${text}` };
    } catch (error) {
      return { at, got: "nothing", detail: (error as Error).message };
    }
  };
  const asking = machines.map(async (machine) => {
    while (!isOver) {
      seen.get(machine)?.push(await ask(machine));
      await sleep(ASK_MS);
    }
  });
  /** What a machine has answered to requests that began since then. */
  const since = (machine: Machine, time: number): Asked[] =>
    (seen.get(machine) ?? []).filter(({ at }) => at >= time);
  return {
    since,
    /** Waits until all of these have answered so, some times in a row, to requests from now on. */
    async all(got: Asked["got"], of = machines): Promise<void> {
      const now = Date.now();
      for (const machine of of)
        await eventually(`${got} of ${machine.name}`, 60, () => {
          const last = since(machine, now).slice(-ENOUGH);
          return last.length === ENOUGH && last.every((one) => one.got === got);
        });
    },
    async stop(): Promise<void> {
      isOver = true;
      await Promise.all(asking);
    },
  };
}

/** Where a line is missing, how many there are of whom says more than all of them. */
function assertLine({ stdout, stderr }: CommandResult, line: RegExp): void {
  const counts = new Map<string, number>();
  for (const [, label = ""] of stdout.matchAll(/^(\S+) +\| /gm))
    counts.set(label, (counts.get(label) ?? 0) + 1);
  const found = [...counts].map(([label, count]) => `${count} of ${label}`).join(", ");
  assert.ok(line.test(stdout), `no line like ${line} among ${found}; errors: ${stderr}`);
}

interface StatusJson {
  readonly healthy: boolean;
  readonly nodes: readonly { readonly name: string; readonly state: string }[];
  readonly services: readonly {
    readonly workload: string;
    readonly desired: number;
    readonly running: number;
  }[];
  readonly containers: readonly {
    readonly workload: string;
    readonly node: string;
    readonly state: string;
    readonly health: string;
  }[];
}

/**
 * @param nothingLost runs the work with clients at these machines, who lose nothing
 */
export function testCommands(
  deployed: () => Deployed,
  nothingLost: (machines: readonly Machine[], work: () => Promise<void>) => Promise<void>,
): void {
  const names = (): string[] => deployed().lab.machines.map(({ name }) => name);
  const run = (command: string, ...args: string[]): Promise<CommandResult> =>
    deployed().stack.run(command, ...args);

  it("shows what runs on each of its machines", async () => {
    const status = await run("status");
    good(status);
    for (const name of names())
      assert.match(status.stdout, new RegExp(`✓ +edge +${name} +healthy +up `), status.stdout);
    assert.match(status.stdout, /✓ +backend +2 of 2 run/);
    const shown = JSON.parse((await run("status", "--json")).stdout) as StatusJson;
    assert.equal(shown.healthy, true);
    assert.deepEqual(
      shown.nodes.map(({ name, state }) => `${name} ${state}`),
      names().map((name) => `${name} ready`),
    );
    assert.deepEqual(
      shown.services.map(({ workload, desired, running }) => [workload, desired, running]),
      [
        ["backend", 2, 2],
        ["edge", 3, 3],
      ],
    );
    const edges = shown.containers.filter(({ workload }) => workload === "edge");
    assert.deepEqual(edges.map(({ node }) => node).sort(), names());
    assert.ok(shown.containers.every(({ state, health }) => state === "running" && health === "healthy"));
    good(await run("health"));
  });

  it("shows what the tasks of all machines write, also while they write it", async () => {
    const { lab, stack, urlOf } = deployed();
    const idOf = ({ name }: Machine): string => `asked-of-${name}`;
    const ask = (machine: Machine) =>
      call(`${urlOf(machine)}/api/diag`, { headers: { "x-request-id": idOf(machine) } });
    const followed = stack.start("logs", "edge", "--follow", "--tail", "1");
    try {
      for (const machine of lab.machines) {
        const line = new RegExp(`^edge@${machine.name} +\\| .*"request_id":"${idOf(machine)}"`, "m");
        // The lines from before it began are none of its own.
        await eventually(`a line of ${machine.name}`, 60, async () => {
          await ask(machine);
          return line.test(followed.output());
        });
      }
    } finally {
      followed.kill("SIGINT");
    }
    good(await followed.done);
    const shown = await run("logs", "--tail", "100000");
    good(shown);
    for (const machine of lab.machines)
      assertLine(shown, new RegExp(`^edge@${machine.name} +\\| .*"request_id":"${idOf(machine)}"`, "m"));
    // Which numbers the replicas have is the swarm's own choice, once there were more of them.
    const replicas = lab.manager
      .docker(
        ...["service", "ps", "--filter", "desired-state=running", "--format", "{{.Name}}"],
        `omniai-${stack.name}-backend`,
      )
      .split("\n")
      .map((task) => task.split(".").at(-1));
    assert.equal(replicas.length, 2);
    for (const replica of replicas)
      assertLine(
        shown,
        new RegExp(`^backend\\.${replica}@(manager|worker-\\d) +\\| .*"msg":"listening`, "m"),
      );
    const unknown = await run("logs", "nobody");
    assert.equal(unknown.code, 2, unknown.output);
    assert.match(unknown.output, /It has: backend, edge\./);
  });

  it("is in maintenance on all of its machines, also where a task or a machine comes later", async () => {
    const { lab, stack, urlOf, whole, serving } = deployed();
    const [worker, lost] = lab.workers as [Machine, Machine];
    const watch = watchAnswers(lab.machines, urlOf);
    try {
      await watch.all("an answer");
      good(await run("maintenance", "on", "--message", "Back at {{noon}}."));
      const on = Date.now();
      await watch.all("maintenance");
      assert.match(watch.since(worker, on)[0]?.detail ?? "", /"detail":"Back at \{\{noon\}\}\."/);

      worker.docker("kill", worker.docker("ps", "-q", "--filter", "label=io.omniai.workload=edge"));
      await whole();
      await watch.all("maintenance");

      lost.cutPower();
      await eventually("a lost machine", 60, () => lab.states()[lost.name] === "Down");
      const health = await run("health");
      assert.equal(health.code, 1, health.output);
      assert.match(health.output, new RegExp(`Node ${lost.name} is down, and no edge serves there`));
      await lost.restorePower();
      await whole();
      await watch.all("maintenance");

      const up = await run("up", "--yes");
      good(up);
      assert.match(up.output, /Maintenance is on.*Back at \{\{noon\}\}/);
      assert.doesNotMatch(up.output, /\d+ (created|updated|replaced|deleted)/);
      good(await run("drift"));
      await watch.all("maintenance");

      for (const machine of lab.machines) {
        const slipped = watch.since(machine, on).filter(({ got }) => got === "an answer");
        assert.deepEqual(slipped, [], `${machine.name} answered meanwhile`);
      }
      good(await run("maintenance", "off"));
      const off = Date.now();
      await watch.all("an answer");
      for (const machine of lab.machines) {
        const late = watch.since(machine, off).filter(({ got }) => got !== "an answer");
        assert.deepEqual(late, [], `${machine.name} went on afterwards`);
      }
      // On the machine that nothing happened to, no request was without an answer.
      const dropped = watch.since(lab.manager, 0).filter(({ got }) => got === "nothing");
      assert.deepEqual(dropped, [], "requests had no answer");
    } finally {
      await watch.stop();
      // Where it broke off: the tests after this one are about a stack that is whole, and answers.
      await lost.restorePower();
      await run("maintenance", "off");
    }
    const services = lab.manager.docker("service", "ls", "--format", "{{.Name}}").split("\n").sort();
    assert.deepEqual(services, [`omniai-${stack.name}-backend`, `omniai-${stack.name}-edge`]);
    await serving(2, 90);
  });

  it("loses nothing while it is restarted and rolled back", async () => {
    const { lab, serving } = deployed();
    await nothingLost(lab.machines.slice(0, 2), async () => {
      const restart = await run("restart");
      good(restart);
      assert.match(restart.output, /Every task of .*-backend is a new one, and healthy\./);
      await serving(2);
      const rollback = await run("rollback");
      good(rollback);
      assert.match(rollback.output, /is back at/);
      await serving(2);
    });
  });
}
