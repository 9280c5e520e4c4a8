/** The engine, and the deploy itself. */
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
import type { Row } from "../scenario.ts";
import type { Scene } from "../stack-environment.ts";
import { recoverAndCount } from "./broken.ts";

const interrupted: Row<Scene> = {
  name: "kill-up",
  what: "SIGKILL of `npm run up` and all that it started half-way, then `up`",
  async act(scene) {
    scene.newVersion();
    const running = scene.stack.start("up", "--yes");
    await running.until(/-backend-\d.*creat/);
    killTree(running.pid);
    const killed = await running.done;
    const { code, seconds } = await scene.stack.run("up", "--yes");
    const all = await scene.everyContainer();
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

/** The order in which nothing finds what it needs. */
const WORST_ORDER = ["edge", "backend", "redis", "postgres"] as const;

/** @returns seconds until every container is healthy and the edge answers. */
async function healthy(scene: Scene): Promise<number> {
  const started = Date.now();
  await eventually("every container healthy", 180, async () => {
    const { code } = await scene.stack.run("health");
    return code === 0;
  });
  await eventually("an answer", 60, async () => (await call(`${scene.stack.https}/readyz`)).status === 200);
  return (Date.now() - started) / 1000;
}

const disorder: Row<Scene> = {
  name: "start-order",
  what: "every container stopped, and started in the worst order",
  byLoopback: true,
  async act(scene) {
    for (const workload of WORST_ORDER) {
      for (const name of await scene.stack.containers(workload)) await docker.getContainer(name).stop();
    }
    const stopped = await docker.listContainers({
      all: true,
      filters: { label: [`io.omniai.stack=${scene.stack.name}`] },
    });
    const started = Date.now();
    for (const workload of WORST_ORDER) {
      const ids = stopped.filter(({ Labels }) => Labels["io.omniai.workload"] === workload);
      for (const { Id } of ids) await docker.getContainer(Id).start();
    }
    const recovery = (Date.now() - started) / 1000 + (await healthy(scene));
    await sleep(5000);
    return { recovery, verdicts: [atMost("everything healthy after the start", recovery, 60, "s")] };
  },
  judge: nothingLost,
};

/** Stops every container of this machine for a while: not where there are others. */
const engine: Row<Scene> = {
  name: "engine",
  what: "engine stopped and started",
  byLoopback: true,
  async before(scene) {
    const all = await docker.listContainers();
    const others = all.filter(({ Labels }) => Labels["io.omniai.stack"] !== scene.stack.name);
    return others.length > 0 ? { notRun: `the engine has ${others.length} containers of others` } : undefined;
  },
  async act(scene) {
    const pid = Number(readFileSync("/var/run/docker.pid", "utf8"));
    process.kill(pid, "SIGTERM");
    await eventually("the engine gone", 120, () => !isAlive(pid));
    const started = Date.now();
    await enginePart.ensure(createContext({ install: true }));
    await healthy(scene);
    const recovery = (Date.now() - started) / 1000;
    await sleep(5000);
    return { recovery, verdicts: [atMost("everything healthy after the start", recovery, 60, "s")] };
  },
  judge: nothingLost,
};

/** What cannot be hidden on one host; only a change of its image, ports or limits asks for it. */
const edgeReplaced: Row<Scene> = {
  name: "edge-replaced",
  what: "nginx itself replaced",
  byLoopback: true,
  async act(scene) {
    const before = await scene.one("edge");
    const { Id } = await docker.getContainer(before).inspect();
    // Limits change in place; a health check does not.
    scene.edit("infra/components/edge/edge.ts", (text) => text.replace("startPeriod: 15", "startPeriod: 16"));
    await scene.succeed("up", "--yes");
    const isNew = (await docker.getContainer(await scene.one("edge")).inspect()).Id !== Id;
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

export const machineFaults: readonly Row<Scene>[] = [interrupted, edgeReplaced, disorder, engine];
