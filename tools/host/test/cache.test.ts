/** A folder of the cache is complete or not there, also after a kill. */
import { strict as assert } from "node:assert";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { cachedFolder, ensureCached } from "../cache.ts";
import { withFolder } from "./support/folder.ts";
import { recorder } from "./support/reporter.ts";

const key = { part: "thing", version: "1.0.0", recipe: "abc" };
const { report } = recorder();

/** A process that begins to fill the folder, says so, and waits to be killed. */
const HALF_BUILD = `
  import { ensureCached } from ${JSON.stringify(join(import.meta.dirname, "../cache.ts"))};
  import { writeFileSync } from "node:fs";
  const report = { say() {}, warn() {}, step: (title, run) => run(() => {}) };
  setInterval(() => {}, 1000);
  await ensureCached(process.argv[1], ${JSON.stringify(key)}, report, async (folder) => {
    writeFileSync(folder + "/half", "half");
    console.log("half");
    await new Promise(() => {});
  });
`;

async function startHalfBuild(cacheDir: string): Promise<ReturnType<typeof spawn>> {
  const child = spawn(process.execPath, ["--input-type=module-typescript", "-e", HALF_BUILD, cacheDir], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  assert.ok(child.stdout);
  await once(child.stdout, "data");
  return child;
}

describe("ensureCached", () => {
  it("fills a folder once and uses it afterwards", () =>
    withFolder(async (cacheDir) => {
      let fills = 0;
      const fill = async (folder: string): Promise<void> => {
        fills++;
        await writeFile(join(folder, "file"), "whole");
      };
      const first = await ensureCached(cacheDir, key, report, fill);
      assert.equal(await ensureCached(cacheDir, key, report, fill), first);
      assert.equal(first, cachedFolder(cacheDir, key));
      assert.equal(await readFile(join(first, "file"), "utf8"), "whole");
      assert.equal(fills, 1);
    }));

  it("leaves nothing when filling fails, and succeeds the next time", () =>
    withFolder(async (cacheDir) => {
      await assert.rejects(
        ensureCached(cacheDir, key, report, async (folder) => {
          await writeFile(join(folder, "half"), "half");
          throw new Error("no space");
        }),
        /no space/,
      );
      assert.deepEqual(await readdir(join(cacheDir, "thing")), []);
      const folder = await ensureCached(cacheDir, key, report, (unfinished) =>
        writeFile(join(unfinished, "file"), ""),
      );
      assert.deepEqual(await readdir(folder), ["file"]);
    }));

  it("shows nothing of a killed build; the next build removes its folder and succeeds", () =>
    withFolder(async (cacheDir) => {
      const child = await startHalfBuild(cacheDir);
      assert.equal(existsSync(cachedFolder(cacheDir, key)), false);
      child.kill("SIGKILL");
      await once(child, "exit");
      assert.equal(existsSync(cachedFolder(cacheDir, key)), false);
      const folder = await ensureCached(cacheDir, key, report, (unfinished) =>
        writeFile(join(unfinished, "file"), ""),
      );
      assert.deepEqual(await readdir(folder), ["file"]);
      assert.deepEqual(await readdir(join(cacheDir, "thing")), ["1.0.0-abc"]);
    }));

  it("waits for another process that fills the same folder, and says so", () =>
    withFolder(async (cacheDir) => {
      const child = await startHalfBuild(cacheDir);
      const said = recorder();
      let fills = 0;
      const second = ensureCached(cacheDir, key, said.report, () => Promise.resolve(void fills++));
      const winner = setInterval(() => {
        if (said.lines.length > 0) child.kill("SIGKILL");
      }, 20);
      await second;
      clearInterval(winner);
      assert.match(said.lines.join(), new RegExp(`process ${child.pid}.*thing 1\\.0\\.0`));
      assert.equal(fills, 1);
    }));

  it("does not remove the unfinished folder of a living process", () =>
    withFolder(async (cacheDir) => {
      const child = await startHalfBuild(cacheDir);
      try {
        await ensureCached(cacheDir, { ...key, recipe: "other" }, report, () => Promise.resolve());
        const left = (await readdir(join(cacheDir, "thing"))).filter((name) =>
          name.startsWith(".unfinished"),
        );
        assert.equal(left.length, 1);
      } finally {
        child.kill("SIGKILL");
        await once(child, "exit");
      }
    }));
});
