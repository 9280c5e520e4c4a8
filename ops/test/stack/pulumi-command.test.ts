import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { getPriority, tmpdir } from "node:os";
import { join } from "node:path";
import { inOwnProcessGroup } from "../../stack/pulumi-command.ts";

describe("the Pulumi CLI", () => {
  const folder = mkdtempSync(join(tmpdir(), "omniai-priority-"));
  after(() => rmSync(folder, { recursive: true }));

  /** What a shell script prints that is run in the CLI's place. */
  async function outputOf(script: string, isUrgent = false): Promise<string> {
    const command = join(folder, "pulumi");
    writeFileSync(command, `#!/bin/sh\n${script}\n`);
    chmodSync(command, 0o755);
    const { stdout } = await inOwnProcessGroup({ command, version: null }, isUrgent).run([], folder, {});
    return stdout.trim();
  }

  it("steps back from the CPU, with everything that it starts", async () => {
    assert.equal(await outputOf("sh -c nice"), String(Math.min(19, getPriority() + 10)));
  });

  it("takes what it needs where it is urgent", async () => {
    assert.equal(await outputOf("nice", true), String(getPriority()));
  });

  it("steps back as a session as well, where the kernel weighs sessions", async function () {
    // Absent in a kernel without CONFIG_SCHED_AUTOGROUP: there niceness alone decides.
    if (!existsSync("/proc/self/autogroup")) return this.skip();
    const wait =
      "for i in 1 2 3 4 5 6 7 8 9 10; do grep -q 'nice 10' /proc/$$/autogroup && break; sleep 0.1; done; cat /proc/$$/autogroup";
    assert.match(await outputOf(wait), /nice 10$/);
  });
});
