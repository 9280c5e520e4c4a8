/** What a killed engine leaves behind, and what of it is removed. */
import { strict as assert } from "node:assert";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findProgram } from "../../../host/path.mjs";
import { nameOf } from "../../../host/process.mjs";
import { leaveSocket, until } from "../../../host/test/support/engine.ts";
import { clearPidFile, clearSocket, listens } from "../../engine/stale.ts";

describe("engine: what is stale and what is not", () => {
  let folder: string;
  const said: string[] = [];
  const say = (line: string): void => void said.push(line);
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "oe-"));
    said.length = 0;
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it("keeps the pid file of a program that runs, and removes every other", async function () {
    if (process.platform !== "linux") return this.skip();
    const file = join(folder, "pid");
    // A process of the right name: a link to sleep.
    symlinkSync(findProgram("sleep", process.env) ?? "", join(folder, "dockerd"));
    const engine = spawn(join(folder, "dockerd"), ["60"], { stdio: "ignore" });
    try {
      await until("the process has its name", () => Promise.resolve(nameOf(engine.pid ?? 0) === "dockerd"));
      writeFileSync(file, `${engine.pid}\n`);
      assert.equal(clearPidFile(file, "dockerd", say), engine.pid);
      assert.equal(existsSync(file), true);
      assert.equal(clearPidFile(file, "containerd", say), undefined);
      assert.equal(existsSync(file), false);
    } finally {
      engine.kill();
    }
    for (const text of ["", "rubbish", "-1", "999999999"]) {
      writeFileSync(file, text);
      assert.equal(clearPidFile(file, "dockerd", say), undefined);
      assert.equal(existsSync(file), false, `"${text}" is stale`);
    }
    assert.equal(clearPidFile(file, "dockerd", say), undefined, "no file is no trouble");
  });

  it("keeps a socket where somebody listens, removes one where nobody does, and names a folder in its place", async () => {
    const path = join(folder, "socket");
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(path, resolve));
    await clearSocket(path, say);
    assert.equal(await listens(path), true);
    await new Promise((resolve) => server.close(resolve));

    await leaveSocket(path);
    await clearSocket(path, say);
    assert.equal(existsSync(path), false);

    mkdirSync(path);
    await assert.rejects(clearSocket(path, say), /is a folder[\s\S]*rmdir/);
    await clearSocket(join(folder, "none"), say);
  });
});
