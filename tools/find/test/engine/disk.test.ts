/** Whether the engine has room. */
import { strict as assert } from "node:assert";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { close, fakeEngine, testContext } from "../../../host/test/support/engine.ts";
import { judgeDiskSpace } from "../../engine/disk.ts";
import { diskSpace } from "../../engine/index.ts";

describe("engine: disk space", () => {
  it("is enough, low or too little", () => {
    assert.equal(judgeDiskSpace(50e9), "enough");
    assert.equal(judgeDiskSpace(9.9e9), "low");
    assert.equal(judgeDiskSpace(2.9e9), "too little");
  });

  it("is not measured for an engine on another machine", async () => {
    assert.equal(await diskSpace(testContext("/nowhere"), "tcp://127.0.0.1:1"), undefined);
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
    } finally {
      await close(server);
      rmSync(folder, { recursive: true });
    }
  });
});
