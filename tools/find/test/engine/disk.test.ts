/** Whether the engine has room. */
import { strict as assert } from "node:assert";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { close, fakeEngine, testContext } from "../../../host/test/support/engine.ts";
import { judgeDiskSpace } from "../../engine/disk.ts";
import { diskSpace } from "../../engine/index.ts";

describe("engine: disk space", () => {
  it("is enough, low or too little", () => {
    assert.equal(judgeDiskSpace(50e9), "enough");
    assert.equal(judgeDiskSpace(9.9e9), "low");
    assert.equal(judgeDiskSpace(2.9e9), "too little");
  });

  it("is not measured for an engine that only TCP reaches", async () => {
    assert.equal(await diskSpace(testContext("/nowhere"), "tcp://127.0.0.1:1"), undefined);
  });

  it("is that of the other machine for an engine behind SSH", async function () {
    if (process.platform === "win32") return this.skip();
    const folder = mkdtempSync(join(tmpdir(), "omniai-disk-"));
    const program = (name: string, body: string): void =>
      writeFileSync(join(folder, name), `#!/bin/sh\n${body}\n`, { mode: 0o755 });
    const env = { ...process.env, PATH: [folder, process.env["PATH"]].join(delimiter) };
    try {
      program(
        "docker",
        `[ "$DOCKER_HOST" = ssh://deploy@host.example ] && echo '{"DockerRootDir":"/data/it'"'"'s"}'`,
      );
      program(
        "ssh",
        `[ "$*" = "-o BatchMode=yes -l deploy -- host.example LC_ALL=C df -Pk '/data/it'\\\\''s'" ] || exit 1
         echo 'Filesystem     1024-blocks      Used Available Capacity Mounted on'
         echo '/dev/disk one    263174212 100000000   2000000      39% /data'`,
      );
      await assert.rejects(
        diskSpace(testContext(folder, env), "ssh://deploy@host.example"),
        /Only 2\.0 GB are free on the disk of \/data\/it's,/,
      );
      // A key that may only reach the engine.
      program("ssh", "echo 'This key may only reach the engine.' >&2; exit 1");
      assert.equal(await diskSpace(testContext(folder, env), "ssh://deploy@host.example"), undefined);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("is refused with the path, the numbers and a remedy", async function () {
    if (process.platform !== "linux") return this.skip();
    const folder = mkdtempSync(join(tmpdir(), "omniai-disk-"));
    const socket = join(folder, "docker.sock");
    // An engine whose data lies in /proc: a file system of no size.
    const server = await fakeEngine(socket, () => ({
      status: 200,
      body: { DockerRootDir: "/proc/nothing/here" },
    }));
    try {
      await assert.rejects(
        diskSpace(testContext(folder), `unix://${socket}`),
        /Only 0\.0 GB are free on the disk of \/proc,[\s\S]*at least 3 GB[\s\S]*docker image prune/,
      );
      // What takes a stack down or back is warned, and goes on.
      const context = { ...testContext(folder), fillsDisk: false };
      const space = await diskSpace(context, `unix://${socket}`);
      assert.equal(space?.freeBytes, 0);
      assert.match(context.said.join(), /^warning: Only 0\.0 GB are free/);
    } finally {
      await close(server);
      rmSync(folder, { recursive: true });
    }
  });
});
