/** Scenarios that hit the engine, and the deploy itself. */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { call, eventually } from "../../../test/support/http.ts";
import { killTree } from "../../../test/support/process.ts";
import { docker } from "../../../test/support/stack.ts";
import { enginePart } from "../../../tools/find/engine/index.ts";
import { createContext } from "../../../tools/find/index.ts";
import { isAlive } from "../../../tools/host/process.mjs";
import { atMost, nothingDropped, nothingLost, quickEnough } from "../judge.ts";
import { failuresOf } from "../measure.ts";
import type { Scenario } from "../scenario.ts";
import type { StackEnvironment } from "../stack-environment.ts";
import { recoverAndCount } from "./broken.ts";

const interrupted: Scenario<StackEnvironment> = {
  name: "kill-up",
  what: "SIGKILL of `npm run up` and all that it started half-way, then `up`",
  async act(environment) {
    environment.newVersion();
    const running = environment.stack.start("up", "--yes");
    await running.until(/-backend-\d.*creat/);
    killTree(running.pid);
    const killed = await running.done;
    const { code, seconds } = await environment.stack.run("up", "--yes");
    const all = await environment.everyContainer();
    return {
      recovery: seconds,
      verdicts: [
        { what: `\`up\` after it exits with ${code}`, holds: code === 0 },
        { what: `containers then: ${all.length}, no orphans`, holds: all.length === 5 },
      ],
      notes: [`killed after ${killed.seconds.toFixed(0)} s`],
    };
  },
  judge: (evidence) => [...nothingDropped(evidence), quickEnough(evidence)],
  after: recoverAndCount,
};

/** The worst order: each workload starts before those that it needs. */
const WORST_ORDER = ["edge", "backend", "redis", "postgres"] as const;

/** @returns seconds until every container is healthy and the edge answers. */
async function healthy(environment: StackEnvironment): Promise<number> {
  const started = Date.now();
  await eventually("every container healthy", 180, async () => {
    const { code } = await environment.stack.run("health");
    return code === 0;
  });
  await eventually(
    "an answer",
    60,
    async () => (await call(`${environment.stack.https}/readyz`)).status === 200,
  );
  return (Date.now() - started) / 1000;
}

const disorder: Scenario<StackEnvironment> = {
  name: "start-order",
  what: "every container stopped, and started in the worst order",
  byLoopback: true,
  async act(environment) {
    for (const workload of WORST_ORDER) {
      for (const name of await environment.stack.containers(workload)) await docker.getContainer(name).stop();
    }
    const stopped = await docker.listContainers({
      all: true,
      filters: { label: [`io.omniai.stack=${environment.stack.name}`] },
    });
    const started = Date.now();
    for (const workload of WORST_ORDER) {
      const ids = stopped.filter(({ Labels }) => Labels["io.omniai.workload"] === workload);
      for (const { Id } of ids) await docker.getContainer(Id).start();
    }
    const recovery = (Date.now() - started) / 1000 + (await healthy(environment));
    await sleep(5000);
    return { recovery, verdicts: [atMost("everything healthy after the start", recovery, 60, "s")] };
  },
  judge: nothingLost,
};

/** Stops every container of this machine for a while, so it must not run where there are other containers. */
const engine: Scenario<StackEnvironment> = {
  name: "engine",
  what: "engine stopped and started",
  byLoopback: true,
  async before(environment) {
    const all = await docker.listContainers();
    const others = all.filter(({ Labels }) => Labels["io.omniai.stack"] !== environment.stack.name);
    return others.length > 0 ? { notRun: `the engine has ${others.length} containers of others` } : undefined;
  },
  async act(environment) {
    const pid = Number(readFileSync("/var/run/docker.pid", "utf8"));
    process.kill(pid, "SIGTERM");
    await eventually("the engine gone", 120, () => !isAlive(pid));
    const started = Date.now();
    await enginePart.ensure(createContext({ install: true }));
    await healthy(environment);
    const recovery = (Date.now() - started) / 1000;
    await sleep(5000);
    return { recovery, verdicts: [atMost("everything healthy after the start", recovery, 60, "s")] };
  },
  judge: nothingLost,
};

/** One host cannot hide this; only a change of the edge's image, ports or limits requires it. */
const edgeReplaced: Scenario<StackEnvironment> = {
  name: "edge-replaced",
  what: "nginx itself replaced",
  byLoopback: true,
  async act(environment) {
    const before = await environment.one("edge");
    const { Id } = await docker.getContainer(before).inspect();
    // Changed limits are applied in place; a changed health check replaces the container.
    environment.edit("infra/components/edge/edge.ts", (text) =>
      text.replace("startPeriod: 15", "startPeriod: 16"),
    );
    await environment.succeed("up", "--yes");
    const isNew = (await docker.getContainer(await environment.one("edge")).inspect()).Id !== Id;
    return {
      verdicts: [{ what: "the container is another", holds: isNew }],
      judge: ({ account }) => {
        const failed = failuresOf(account).map(({ at, ms }) => [at, at + ms] as const);
        const away =
          failed.length === 0
            ? 0
            : Math.max(...failed.map(([at]) => at)) - Math.min(...failed.map(([, end]) => end));
        return [atMost("from the first request that failed to the last", Math.max(0, away) / 1000, 1, "s")];
      },
    };
  },
  judge: nothingLost,
};

export const MACHINE_FAULTS: readonly Scenario<StackEnvironment>[] = [
  interrupted,
  edgeReplaced,
  disorder,
  engine,
];
