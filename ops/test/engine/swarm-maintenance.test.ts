/** Maintenance on a swarm: the service that switches it, what its tasks do, and when it is on or off everywhere. */
import { strict as assert } from "node:assert";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type Docker from "dockerode";
import { SHARED_MAINTENANCE_FOLDER } from "../../../infra/components/edge/maintenance.ts";
import { awayOf, missingOn, planSwitch, removeSwitch, swarmSwitch } from "../../engine/swarm-maintenance.ts";
import type { SwarmService } from "../../engine/services.ts";
import { nameOfNode, type SwarmTask } from "../../engine/nodes.ts";
import { swarmManager, swarmNode, swarmService, swarmTask } from "../support/swarm.ts";

const mount = {
  Type: "volume",
  Source: "omniai-prod-edge-maintenance",
  Target: SHARED_MAINTENANCE_FOLDER,
  ReadOnly: true,
  VolumeOptions: { DriverConfig: { Options: { type: "tmpfs" } } },
};
const edge = swarmService("edge", undefined, { container: { Mounts: [mount], User: "101:101" } });
const problem = { detail: 'Back at {{noon}} "sharp"', since: "2026-11-28T07:00:00.000Z" };

interface Planned {
  readonly Name: string;
  readonly Labels: Readonly<Record<string, string>>;
  readonly Mode: object;
  readonly TaskTemplate: {
    readonly Placement: object;
    readonly Networks?: unknown;
    readonly ContainerSpec: {
      readonly Image: string;
      readonly User: string;
      readonly Command: readonly string[];
      readonly Env: readonly string[];
      readonly Mounts: readonly object[];
      readonly Healthcheck: { readonly Test: readonly string[] };
      readonly StopGracePeriod: number;
      readonly StopSignal: string;
    };
  };
}
const plan = (of: object | undefined): Planned => planSwitch("prod", edge, of) as unknown as Planned;

describe("the service that switches maintenance on a swarm", () => {
  it("has a task beside each edge, of the edge's own image and user, that writes where the edge looks", () => {
    const { Name, Labels, Mode, TaskTemplate } = plan(problem);
    const { ContainerSpec, Placement, Networks } = TaskTemplate;
    assert.equal(Name, "omniai-prod-maintenance");
    // Of no workload: it is nothing that was declared.
    assert.deepEqual(Labels, { "io.omniai.stack": "prod" });
    assert.deepEqual(Mode, { Global: {} });
    assert.deepEqual(Placement, { Constraints: ["node.labels.omniai.edge==true"] });
    // A network of the stack could not go while it is there.
    assert.equal(Networks, undefined);
    assert.deepEqual(ContainerSpec.Mounts, [{ ...mount, ReadOnly: false }]);
    assert.deepEqual(
      [ContainerSpec.Image, ContainerSpec.User],
      [edge.Spec.TaskTemplate.ContainerSpec.Image, "101:101"],
    );
    assert.doesNotMatch(ContainerSpec.Env.join("\n"), /\{\{/);
    // Its end waits for the edge's: 9 s here.
    assert.ok(ContainerSpec.Env.includes("GRACE=9"));
    assert.ok(ContainerSpec.StopGracePeriod > 9e9);
    // By nginx's own signal, which the image names, a shell ends at once.
    assert.equal(ContainerSpec.StopSignal, "SIGTERM");
  });

  it("is refused where the edge was deployed without the place for it", () => {
    const before = swarmService("edge", undefined, { container: { Mounts: [] } });
    assert.throws(() => planSwitch("prod", before, problem), /no maintenance reaches on a swarm/);
  });
});

/** A command that waits for its file: what a script sleeps for is an event of the test. */
const SLEEP = `#!/bin/sh
echo "$1" >> "$FOLDER/slept"
until [ -e "$FOLDER/over-$1" ]; do /bin/sleep 0.02; done
`;

describe("a task of that service", () => {
  let folder: string;
  let file: string;
  const running: ChildProcess[] = [];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "omniai-maintenance-"));
    file = join(folder, "shared/maintenance.json");
    for (const name of ["bin", "shared"]) mkdirSync(join(folder, name));
    writeFileSync(join(folder, "bin/sleep"), SLEEP, { mode: 0o755 });
  });
  afterEach(() => {
    // With what it waits in, which a container would end with it.
    for (const { pid } of running.splice(0)) if (pid !== undefined) endGroup(pid);
    rmSync(folder, { recursive: true });
  });

  const environmentOf = (of: object | undefined): Record<string, string> => ({
    ...Object.fromEntries(
      plan(of).TaskTemplate.ContainerSpec.Env.map((one) => {
        const at = one.indexOf("=");
        return [one.slice(0, at), one.slice(at + 1)] as const;
      }),
    ),
    ...{ FILE: file, FOLDER: folder, HOSTNAME: `task-${running.length}` },
    PATH: `${join(folder, "bin")}:${process.env["PATH"] ?? ""}`,
  });
  /** As the engine says it is to end; an image of nginx would have it told otherwise. */
  const told = plan(problem).TaskTemplate.ContainerSpec.StopSignal as NodeJS.Signals;
  const start = (of: object | undefined): ChildProcess => {
    const [command = "", ...args] = plan(of).TaskTemplate.ContainerSpec.Command;
    const child = spawn(command, args, { env: environmentOf(of), stdio: "ignore", detached: true });
    running.push(child);
    return child;
  };
  const isHealthy = async (of: object | undefined): Promise<boolean> => {
    const [, command = "", ...args] = plan(of).TaskTemplate.ContainerSpec.Healthcheck.Test;
    const child = spawn(command, args, { env: environmentOf(of), stdio: "ignore" });
    return (await once(child, "exit"))[0] === 0;
  };
  const sleepsFor = (seconds: number) => (): boolean =>
    existsSync(join(folder, "slept")) &&
    readFileSync(join(folder, "slept"), "utf8").split("\n").includes(String(seconds));
  /** Its grace is over. */
  const letGo = (): void => writeFileSync(join(folder, "over-9"), "");
  const stop = async (child: ChildProcess): Promise<void> => {
    const ended = once(child, "exit");
    child.kill(told);
    letGo();
    assert.deepEqual(await ended, [0, null]);
  };

  it("writes the problem as it is, and takes it back when it ends", async () => {
    const task = start(problem);
    await until("healthy", () => isHealthy(problem));
    assert.deepEqual(JSON.parse(readFileSync(file, "utf8")), problem);
    assert.deepEqual(readdirSync(join(folder, "shared")), ["maintenance.json"]);
    await until("at rest", sleepsFor(3600));
    await stop(task);
    assert.ok(!existsSync(file));
  });

  it("leaves it for as long as an edge may take to end, because that may end at the same time", async () => {
    const task = start(problem);
    await until("at rest", sleepsFor(3600));
    const ended = once(task, "exit");
    task.kill(told);
    await until("the end", sleepsFor(9));
    assert.ok(await isHealthy(problem));
    letGo();
    assert.deepEqual(await ended, [0, null]);
    assert.ok(!existsSync(file));
  });

  it("leaves what its successor has written", async () => {
    const task = start(problem);
    await until("at rest", sleepsFor(3600));
    const later = JSON.stringify({ ...problem, detail: "later" });
    writeFileSync(file, later);
    await stop(task);
    assert.equal(readFileSync(file, "utf8"), later);
  });

  it("takes back what others have written where there is no problem, and then waits for nothing when it ends", async () => {
    writeFileSync(file, "{}");
    const task = start(undefined);
    await until("at rest", sleepsFor(3600));
    assert.ok(!existsSync(file));
    assert.ok(await isHealthy(undefined));
    const ended = once(task, "exit");
    task.kill(told);
    assert.deepEqual(await ended, [0, null]);
    assert.ok(!sleepsFor(9)());
  });
});

/** Waits for an event that only looking can tell. */
async function until(what: string, is: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + 20_000;
  while (!(await is())) {
    assert.ok(performance.now() < end, `waited for ${what}`);
    await sleep(20);
  }
}

function endGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // All of it has ended.
  }
}

/** As a switch's tasks have it. */
const envOf = (of: object | undefined): readonly string[] => plan(of).TaskTemplate.ContainerSpec.Env;
const serviceFor = (of: object | undefined): SwarmService =>
  swarmService("maintenance", undefined, { container: { Env: envOf(of) } });

describe("maintenance on a swarm is everywhere", () => {
  const nodes = [swarmNode("one"), swarmNode("two")];
  const edges = [swarmTask("edge", "one"), swarmTask("edge", "two")];
  const on = (node: string, more: object = {}): SwarmTask =>
    swarmTask("maintenance", node, { env: envOf(problem), ...more });
  const missing = (tasks: readonly SwarmTask[], of = nodes): string[] =>
    missingOn({ nodes: of, tasks: [...edges, ...tasks] }, edge, serviceFor(problem)).map(
      ({ node, why, mayCome }) => `${node} (${why})${mayCome ? "" : " for good"}`,
    );

  it("when a task of this message runs on each node with an edge", () => {
    assert.deepEqual(missing([on("one"), on("two")]), []);
    assert.deepEqual(missing([on("one")]), ["two (its task starts)"]);
    assert.deepEqual(missing([on("one"), on("two", { state: "starting" })]), ["two (its task starts)"]);
    const former = swarmTask("maintenance", "two", { env: envOf({ ...problem, detail: "former" }) });
    assert.deepEqual(missing([on("one"), former]), ["two (its task starts)"]);
  });

  it("or says why it is not: what a task says, or that the node takes none", () => {
    const rejected = on("two", { state: "rejected", wanted: "shutdown", error: "No such image" });
    assert.deepEqual(missing([on("one"), rejected]), ["two (No such image)"]);
    const paused = [swarmNode("one"), swarmNode("two", { availability: "pause" })];
    assert.deepEqual(missing([on("one")], paused), ["two (the node takes no new tasks) for good"]);
  });

  it("without the nodes that have no edge, or do not answer; those of the edge are named", () => {
    const down = [swarmNode("one"), swarmNode("two", { state: "down" })];
    assert.deepEqual(missing([on("one")], down), []);
    assert.deepEqual(awayOf({ nodes: down }), ["two"]);
    assert.deepEqual(awayOf({ nodes: [swarmNode("three", { edge: false, state: "down" })] }), []);
  });
});

/** A swarm whose tasks are as its services say at once, on these nodes. */
function obedientSwarm(nodes = [swarmNode("one"), swarmNode("two")]) {
  let service: SwarmService | undefined;
  const done: string[] = [];
  const put = (plan: object): void => {
    service = { ...serviceFor(undefined), Spec: plan as SwarmService["Spec"] };
    const problem = service.Spec.TaskTemplate.ContainerSpec.Env?.find((one) => one.startsWith("PROBLEM="));
    done.push(problem === "PROBLEM=" ? "off" : "on");
  };
  const gone = () => Promise.reject(Object.assign(new Error("no such service"), { statusCode: 404 }));
  const ready = nodes.filter(({ Status }) => Status.State === "ready");
  const docker = swarmManager(
    { nodes, services: [], tasks: [] },
    {
      listTasks: () =>
        Promise.resolve(
          ready.map(nameOfNode).flatMap((name) => [
            swarmTask("edge", name),
            ...(service === undefined
              ? []
              : [
                  swarmTask("maintenance", name, {
                    env: service.Spec.TaskTemplate.ContainerSpec.Env ?? [],
                  }),
                ]),
          ]),
        ),
      createService: (_login: object, plan: object) => Promise.resolve(put(plan)),
      getService: (name: string) =>
        name === "omniai-prod-edge"
          ? { inspect: () => Promise.resolve(edge) }
          : {
              inspect: () => (service === undefined ? gone() : Promise.resolve(service)),
              update: ({ version, ...plan }: { version: number }) => {
                assert.equal(version, 3);
                return Promise.resolve(put(plan));
              },
              remove: () => {
                if (service === undefined) return gone();
                service = undefined;
                done.push("removed");
                return Promise.resolve();
              },
            },
    },
  );
  return { docker, done };
}

describe("the switch of a swarm's edges", () => {
  it("makes the service, changes its message, and takes it away when every edge answers again", async () => {
    const { docker, done } = obedientSwarm();
    const open = async () => swarmSwitch(docker, "prod", assert.fail);
    const first = await open();
    assert.equal(first?.before, undefined);
    const on = await first?.set("Back {{soon}}");
    assert.deepEqual([on?.detail, on?.missing], ["Back {{soon}}", []]);
    const second = await open();
    assert.equal(second?.before?.detail, "Back {{soon}}");
    assert.equal((await second?.set("Later"))?.detail, "Later");
    assert.equal(await (await open())?.set(undefined), undefined);
    assert.equal((await open())?.before, undefined);
    // Off where it is off already.
    assert.equal(await (await open())?.set(undefined), undefined);
    assert.deepEqual(done, ["on", "on", "off", "removed"]);
  });

  it("says which nodes of the edge it cannot tell", async () => {
    const said: string[] = [];
    const { docker } = obedientSwarm([swarmNode("one"), swarmNode("two", { state: "down" })]);
    const edges = await swarmSwitch(docker, "prod", (line) => said.push(line));
    await edges?.set("x");
    await edges?.set(undefined);
    assert.equal(said.length, 2);
    assert.match(said[0] ?? "", /^two does not answer.*begins with the maintenance/);
    assert.match(said[1] ?? "", /^two does not answer.*its edge answers/);
  });

  it("takes the service away even where the edges could not be told", async () => {
    const { docker, done } = obedientSwarm();
    await (await swarmSwitch(docker, "prod", assert.fail))?.set("x");
    const edges = await swarmSwitch(docker, "prod", assert.fail);
    Object.assign(docker, { listTasks: () => Promise.reject(new Error("cut off")) });
    await assert.rejects(edges?.set(undefined) ?? Promise.resolve(), /cut off/);
    assert.deepEqual(done, ["on", "off", "removed"]);
  });

  it("is not there where no edge runs, unless there is something to end", async () => {
    const none = obedientSwarm([swarmNode("one", { state: "down" })]);
    assert.equal(await swarmSwitch(none.docker, "prod", assert.fail), undefined);
    const { docker, done } = obedientSwarm();
    await (await swarmSwitch(docker, "prod", assert.fail))?.set("x");
    Object.assign(docker, { listTasks: () => Promise.resolve([]) });
    await (await swarmSwitch(docker, "prod", assert.fail))?.set(undefined);
    assert.equal(done.at(-1), "removed");
  });

  it("goes with the stack, whether it was there or not", async () => {
    const { docker, done } = obedientSwarm();
    await removeSwitch(docker, "prod");
    await (await swarmSwitch(docker, "prod", assert.fail))?.set("x");
    await removeSwitch(docker, "prod");
    assert.deepEqual(done, ["on", "removed"]);
    const refuses = { getService: () => ({ remove: () => Promise.reject(new Error("no leader")) }) };
    await assert.rejects(removeSwitch(refuses as unknown as Docker, "prod"), /no leader/);
  });
});
