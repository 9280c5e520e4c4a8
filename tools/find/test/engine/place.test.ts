/** The files and flags of an engine that is started directly. */
import { strict as assert } from "node:assert";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { machinePlace } from "../../engine/place.ts";

describe("engine: where one is started directly", () => {
  it("leaves out the flags that the owner's daemon.json sets", () => {
    const folder = mkdtempSync(join(tmpdir(), "omniai-place-"));
    try {
      const file = join(folder, "daemon.json");
      assert.deepEqual(machinePlace(folder, file).flags, [
        "--host",
        "unix:///var/run/docker.sock",
        "--pidfile",
        "/var/run/docker.pid",
      ]);
      writeFileSync(file, JSON.stringify({ hosts: ["unix:///var/run/docker.sock"], pidfile: "/x" }));
      assert.deepEqual(machinePlace(folder, file).flags, []);
      assert.equal(machinePlace(folder, file).flags.includes("--live-restore"), false);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
