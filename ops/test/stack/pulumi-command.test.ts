/** How the Pulumi CLI is run: its environment, its priority, its process group. A shell script stands in the CLI's place. */
import { strict as assert } from "node:assert";
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { getPriority, tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "../../../test/support/http.ts";
import { inOwnProcessGroup, killRunning } from "../../stack/pulumi-command.ts";

describe("the Pulumi CLI", () => {
  const folder = mkdtempSync(join(tmpdir(), "omniai-priority-"));
  after(() => rmSync(folder, { recursive: true }));

  const environment = { PATH: process.env["PATH"] ?? "", HERE: "session" };
  function script(text: string): string {
    const command = join(folder, "pulumi");
    writeFileSync(command, `#!/bin/sh\n${text}\n`);
    chmodSync(command, 0o755);
    return command;
  }

  /** What the script prints. */
  async function outputOf(text: string, isUrgent = false, workspace = {}): Promise<string> {
    const command = inOwnProcessGroup({ command: script(text), version: null }, environment, isUrgent);
    const { stdout } = await command.run([], folder, workspace);
    return stdout.trim();
  }

  it("steps back from the CPU, with everything that it starts", async () => {
    assert.equal(await outputOf("sh -c nice"), String(Math.min(19, getPriority() + 10)));
  });

  it("takes the CPU that it needs when it is urgent", async () => {
    assert.equal(await outputOf("nice", true), String(getPriority()));
  });

  it("steps back as a session as well, where the kernel weighs sessions", async function () {
    // Absent in a kernel without CONFIG_SCHED_AUTOGROUP: there niceness alone decides.
    if (!existsSync("/proc/self/autogroup")) return this.skip();
    const wait =
      "for i in $(seq 300); do grep -q 'nice 10' /proc/$$/autogroup && break; sleep 0.1; done; cat /proc/$$/autogroup";
    assert.match(await outputOf(wait), /nice 10$/);
  });

  it("runs in the session's environment and not in this process's", async () => {
    process.env["OMNIAI_TEST_LEAK"] = "leaked";
    try {
      assert.equal(await outputOf('echo "$HERE ${OMNIAI_TEST_LEAK:-clean}"'), "session clean");
      assert.equal(await outputOf('echo "$HERE"', false, { HERE: "workspace" }), "workspace");
      assert.equal(await outputOf('echo "${PATH%%:*}"'), folder, "its own plugins come first");
    } finally {
      delete process.env["OMNIAI_TEST_LEAK"];
    }
  });

  it("is asked to end once, and a forced end takes everything that it started", async () => {
    const command = inOwnProcessGroup(
      { command: script("trap 'echo asked' INT; echo ready; sleep 60 & wait; wait"), version: null },
      environment,
    );
    const controller = new AbortController();
    let heard = "";
    const until = (word: string): Promise<boolean> => eventually(word, 30, () => heard.includes(word));
    const run = command.run([], folder, {}, (text) => void (heard += text), undefined, controller.signal);
    const ended = assert.rejects(run, /ended by SIGKILL/);
    await until("ready");
    controller.abort();
    await until("asked");
    killRunning("SIGKILL");
    await ended;
    assert.equal(heard.match(/asked/g)?.length, 1);
  });
});
