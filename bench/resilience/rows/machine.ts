/** The engine, and the deploy itself. */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { call, eventually } from "../../../test/e2e/support/http.ts";
import { enginePart } from "../../../tools/toolchain/engine/index.ts";
import { createContext } from "../../../tools/toolchain/index.ts";
import { atMost, nothingDropped, nothingLost, quickEnough } from "../judge.ts";
import type { Row } from "../row.ts";
import type { Scene } from "../scene.ts";
import { recoverAndCount } from "./broken.ts";

const interrupted: Row<Scene> = {
  name: "kill-up",
  what: "SIGKILL of `npm run up` half-way, then `up`",
  async act(scene) {
    scene.newVersion();
    const running = scene.stack.start("up", "--yes");
    await running.until(/-backend-\d.*creat/);
    running.kill("SIGKILL");
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

/** Stops every container of this machine for a while, so it runs only when it is asked for by name. */
const engine: Row<Scene> = {
  name: "engine",
  what: "engine stopped and started",
  onlyByName: true,
  async act(scene) {
    const pid = Number(readFileSync("/var/run/docker.pid", "utf8"));
    process.kill(pid, "SIGTERM");
    await eventually("the engine gone", 120, () => {
      try {
        process.kill(pid, 0);
        return false;
      } catch {
        return true;
      }
    });
    const started = Date.now();
    await enginePart.ensure(createContext({ install: true }));
    await eventually("every container healthy", 180, async () => {
      const { code } = await scene.stack.run("health");
      return code === 0;
    });
    await eventually("an answer", 60, async () => (await call(`${scene.stack.https}/readyz`)).status === 200);
    const recovery = (Date.now() - started) / 1000;
    await sleep(5000);
    return { recovery, verdicts: [atMost("everything healthy after the start", recovery, 60, "s")] };
  },
  judge: nothingLost,
};

export const machineFaults: readonly Row<Scene>[] = [interrupted, engine];
