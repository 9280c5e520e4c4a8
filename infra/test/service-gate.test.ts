/** The scripts around services, run with a `docker` that says what a manager would. */
import { strict as assert } from "node:assert";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { PUSH_SCRIPT } from "../resources/published-image.ts";
import { SERVICE_GATE_SCRIPT } from "../resources/service-gate.ts";

interface Manager {
  /** The release that the service is going to. */
  readonly release?: string;
  /** The state of its update, as the gate asks for it. */
  readonly update?: string;
  /** Each task that should run: its state and its release. */
  readonly tasks: readonly (readonly [state: string, release: string])[];
}

describe("scripts around a service", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "omniai-service-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const run = (script: string, environment: Record<string, string>) => {
    const { status, stdout, stderr } = spawnSync("sh", ["-c", script], {
      encoding: "utf8",
      env: { PATH: [folder, process.env["PATH"]].join(delimiter), ...environment },
    });
    return { status, stdout, stderr };
  };
  const docker = (body: string): void => {
    writeFileSync(join(folder, "docker"), `#!/bin/sh\ncd ${folder}\n${body}\n`);
    chmodSync(join(folder, "docker"), 0o755);
  };

  describe("the gate", () => {
    /** One answer after the other, a second apart, and then the last one again. */
    function gate(managers: readonly Manager[], { tasks = "2", limit = "3" } = {}) {
      for (const [second, { release = "new", update = "none", tasks: list }] of managers.entries()) {
        writeFileSync(join(folder, `release-${second}`), `OTHER=1\nTASK_RELEASE=${release}\n`);
        writeFileSync(join(folder, `update-${second}`), `${update}\n`);
        writeFileSync(join(folder, `ids-${second}`), list.map((_, index) => `${second}.${index}\n`).join(""));
        for (const [index, [state, own]] of list.entries())
          writeFileSync(join(folder, `task-${second}.${index}`), `${state}\nTASK_RELEASE=${own}\nOTHER=1\n`);
      }
      writeFileSync(join(folder, "second"), "0");
      docker(`n=$(cat second)
case "$*" in
*.Spec.Name*) echo the-service ;;
*UpdateStatus*) cat update-$n ;;
*"service inspect"*) cat release-$n ;;
*"service ps"*) cat ids-$n; if [ $n -lt ${managers.length - 1} ]; then echo $((n + 1)) > second; fi ;;
*"--type task"*) for id; do :; done; cat task-$id ;;
esac`);
      return run(SERVICE_GATE_SCRIPT, { SERVICE: "id", RELEASE: "new", TASKS: tasks, LIMIT: limit });
    }
    const up = ["running", "new"] as const;

    it("opens when every task is of the release and runs", () => {
      assert.deepEqual(gate([{ tasks: [up, up] }]), { status: 0, stdout: "", stderr: "" });
      assert.equal(gate([{ tasks: [up, up], update: "completed update completed" }]).status, 0);
    });

    it("waits for the old ones to go, for the new ones to be healthy, and for the swarm to have looked long enough", () => {
      const { status, stderr } = gate([
        {
          tasks: [
            ["running", "old"],
            ["running", "old"],
          ],
        },
        {
          tasks: [
            ["starting", "new"],
            ["running", "old"],
          ],
          update: "updating update in progress",
        },
        { tasks: [up, up], update: "updating update in progress" },
        { tasks: [up, up], update: "completed update completed" },
      ]);
      assert.equal(status, 0, stderr);
      assert.equal(readFileSync(join(folder, "second"), "utf8").trim(), "3");
    });

    it("stays shut while there are too few or too many tasks", () => {
      for (const tasks of [[up], [up, up, up]]) {
        const { status, stderr } = gate([{ tasks }], { limit: "1" });
        assert.equal(status, 1);
        assert.match(stderr, new RegExp(`the-service has ${tasks.length} of 2 tasks running after 1 s`));
      }
    });

    it("says at once that the swarm went back, or stopped in the middle, and how to find out why", () => {
      const back = gate([
        { release: "old", update: "rollback_completed it failed", tasks: [["running", "old"]] },
      ]);
      assert.equal(back.status, 1);
      assert.match(back.stderr, /went back to the release before \(rollback_completed: it failed\)/);
      assert.match(
        back.stderr,
        /What served before goes on serving\..*docker service ps --no-trunc the-service/,
      );
      const paused = gate([{ update: "rollback_paused it failed again", tasks: [up] }]);
      assert.equal(paused.status, 1);
      assert.match(paused.stderr, /stopped in the middle of an update \(it failed again\)/);
    });

    it("wants one task for each node of the edge, and says what a node needs to be one", () => {
      assert.equal(gate([{ tasks: [up, up, up] }], { tasks: "" }).status, 0);
      const { status, stderr } = gate([{ tasks: [] }], { tasks: "", limit: "0" });
      assert.equal(status, 1);
      assert.match(
        stderr,
        /runs nowhere\. No node is labelled for it: docker node update --label-add omniai\.edge=true/,
      );
    });
  });

  describe("the push of an image", () => {
    const digest = `sha256:${"a1".repeat(32)}`;
    const push = () => run(PUSH_SCRIPT, { IMAGE: "sha256:0", TARGET: "registry.example.org/omniai/x:1" });

    it("prints the digest that the registry gave, and nothing else", () => {
      docker(
        `echo "$*" >> asked; case $1 in push) echo "The push refers to x"; echo "1: digest: ${digest} size: 1234" ;; esac`,
      );
      assert.deepEqual(push(), { status: 0, stdout: digest, stderr: "" });
      assert.deepEqual(readFileSync(join(folder, "asked"), "utf8").trim().split("\n"), [
        "tag sha256:0 registry.example.org/omniai/x:1",
        "push registry.example.org/omniai/x:1",
      ]);
    });

    it("fails where the registry does not take it, or names no digest", () => {
      docker("case $1 in push) echo denied >&2; exit 1 ;; esac");
      assert.equal(push().status, 1);
      docker("case $1 in push) echo done ;; esac");
      const { status, stderr } = push();
      assert.equal(status, 1);
      assert.match(stderr, /named no digest/);
    });
  });
});
