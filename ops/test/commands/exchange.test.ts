/** The exchange of data within a volume: killed before any of its commands, nothing is lost, and the next run is good. */
import { strict as assert } from "node:assert";
import { execFileSync, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { IDENTITY_FILE } from "../../../infra/resources/identity.ts";
import { isUp } from "../../commands/restore/exchange.ts";
import { exchangeScripts, markOf, restoredFile } from "../../commands/restore/exchange-scripts.ts";
import { postgresStore } from "../../commands/restore/stores.ts";
import {
  ASIDE,
  COPYING,
  EXCHANGE,
  halfExchanged,
  MOVING,
  stageOf,
  type ExchangeStage,
} from "../../stack/exchange-stage.ts";

const oldData = { PG_VERSION: "17", base: "old rows", global: "old", [IDENTITY_FILE]: "the stack's own" };
const newData = { PG_VERSION: "18", base: "new rows", pg_wal: "new" };
const restoredAs = (mark: string): string => `{"id": "base-1", "checksum": "0", "mark": "${mark}"}`;
const MARK = "0a1b";
const scripts = {
  ...exchangeScripts(postgresStore),
  exchange: exchangeScripts(postgresStore).exchange(MARK),
};

describe("the exchange of data within a volume", function () {
  this.timeout(60_000);
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "omniai-exchange-"));
    const put = (folder: string, files: Readonly<Record<string, string>>): void => {
      mkdirSync(join(root, folder), { recursive: true });
      for (const [name, text] of Object.entries(files)) writeFileSync(join(root, folder, name), text);
    };
    put("data", oldData);
    put(`restored/${postgresStore.restored}`, newData);
    writeFileSync(join(root, "restored", restoredFile(postgresStore)), restoredAs(MARK));
    put("aside", {});
  });
  afterEach(() => rmSync(root, { recursive: true }));

  // In a folder of its own, and without waiting for the disk: a kill takes only the process.
  const here = (script: string): string =>
    script.replaceAll(/(?<=\s)\/(data|restored|aside)\b/g, `${root}/$1`).replaceAll(/\bsync -f \S+/g, ":");
  const run = (script: string): void => void execFileSync("bash", ["-c", here(script)], { stdio: "pipe" });
  /** @param at before its command of this number. @returns whether it came so far */
  const killed = (script: string, at: number): boolean => {
    const trap = `set -T; n=0; trap 'n=$((n+1)); [ $n -le ${at} ] || kill -9 $$' DEBUG\n`;
    return spawnSync("bash", ["-c", trap + here(script)]).signal === "SIGKILL";
  };
  const content = (folder: string): Record<string, string> =>
    Object.fromEntries(
      readdirSync(join(root, folder))
        .filter((name) => name !== ASIDE && name !== `${ASIDE}.gone`)
        .map((name) => [name, readFileSync(join(root, folder, name), "utf8")]),
    );
  const stage = (): ExchangeStage => {
    const has = (path: string): boolean => existsSync(join(root, "data", path));
    return stageOf({ exchange: has(EXCHANGE), moving: has(MOVING), copying: has(COPYING) });
  };
  const isNew = (): void =>
    assert.deepEqual(content("data"), { ...newData, [IDENTITY_FILE]: oldData[IDENTITY_FILE] });

  it("puts the new data in place, and the old in a volume of its own", () => {
    assert.equal(stage(), "none");
    run(scripts.exchange);
    isNew();
    assert.equal(stage(), "complete");
    run(scripts.keep);
    isNew();
    assert.equal(stage(), "none");
    assert.deepEqual(content("aside"), oldData);
    assert.deepEqual(readdirSync(join(root, "data")).sort(), Object.keys(content("data")).sort());
  });

  it("that is complete is not rolled back by the next run, which may come weeks later", () => {
    run(scripts.exchange);
    writeFileSync(join(root, "data/base"), "rows of weeks");
    assert.throws(() => run(scripts.exchange), /is not kept yet/);
    run(scripts.settle);
    assert.equal(readFileSync(join(root, "data/base"), "utf8"), "rows of weeks");
    run(scripts.keep);
    assert.deepEqual(content("aside"), oldData);
  });

  it("takes nothing from where data was put back already", () => {
    run(scripts.undo);
    run(scripts.settle);
    assert.deepEqual(content("data"), oldData);
    // A run whose client is gone goes on beside the next one, which has put the data back under it.
    mkdirSync(join(root, "bin"));
    const cp = `#!/bin/bash\nrm -f ${root}/data/{${MOVING},${COPYING},${EXCHANGE}}\nmv -t ${root}/data ${root}/data/${ASIDE}/{.[!.]*,*}\nrmdir ${root}/data/${ASIDE}\nexit 1\n`;
    writeFileSync(join(root, "bin/cp"), cp, { mode: 0o755 });
    const env = { ...process.env, PATH: `${root}/bin:${process.env["PATH"] ?? ""}` };
    const { status, stderr } = spawnSync("bash", ["-c", here(scripts.exchange)], { env, encoding: "utf8" });
    assert.equal(status, 1);
    assert.match(stderr, /nothing is put back/);
    assert.deepEqual(content("data"), oldData);
  });

  it("is refused where other data was restored since it was confirmed, and nothing is touched", () => {
    for (const other of [restoredAs("another"), "", undefined]) {
      const file = join(root, "restored", restoredFile(postgresStore));
      if (other === undefined) rmSync(file);
      else writeFileSync(file, other);
      assert.throws(() => run(scripts.exchange), /another restore or upgrade has taken the place/);
      assert.deepEqual(content("data"), oldData);
      assert.equal(stage(), "none");
    }
  });

  it("goes back where other data is restored while it copies", () => {
    mkdirSync(join(root, "bin"));
    const file = join(root, "restored", restoredFile(postgresStore));
    const cp = `#!/bin/bash\n/bin/cp "$@"\necho '${restoredAs("another")}' >${file}\n`;
    writeFileSync(join(root, "bin/cp"), cp, { mode: 0o755 });
    const env = { ...process.env, PATH: `${root}/bin:${process.env["PATH"] ?? ""}` };
    const { status, stderr } = spawnSync("bash", ["-c", here(scripts.exchange)], { env, encoding: "utf8" });
    assert.equal(status, 1);
    assert.match(stderr, /another restore or upgrade/);
    assert.deepEqual(content("data"), oldData);
    assert.equal(stage(), "none");
  });

  it("goes by the mark of the restore, and with an older room by the backup's id", () => {
    assert.equal(markOf({ backup: { id: "base-1" }, mark: MARK }), MARK);
    const old = exchangeScripts(postgresStore).exchange(markOf({ backup: { id: "base-1" } }));
    writeFileSync(join(root, "restored", restoredFile(postgresStore)), '{"id": "base-1", "checksum": "0"}');
    run(old);
    isNew();
    assert.throws(() => exchangeScripts(postgresStore).exchange('"; rm -rf /'), /is no mark/);
  });

  it("leaves behind what a base backup has of an earlier exchange", () => {
    mkdirSync(join(root, "restored", postgresStore.restored, ASIDE));
    writeFileSync(join(root, "restored", postgresStore.restored, ASIDE, "PG_VERSION"), "16");
    run(scripts.exchange);
    assert.equal(readFileSync(join(root, "data", ASIDE, "PG_VERSION"), "utf8"), "17");
  });

  it("undone, leaves all as it was", () => {
    run(scripts.exchange);
    run(scripts.undo);
    assert.deepEqual(content("data"), oldData);
    assert.ok(!existsSync(join(root, "data", ASIDE)));
  });

  it("killed anywhere, is done by the next run", () => {
    let steps = 0;
    while (killed(scripts.exchange, steps)) {
      if (stage() !== "complete") run(scripts.exchange);
      isNew();
      // Whatever it was killed in, the old data is whole beside.
      run(scripts.undo);
      assert.deepEqual(content("data"), oldData, `killed before command ${steps}`);
      steps += 1;
    }
    assert.ok(steps > 12, String(steps));
  });

  it("killed anywhere on its way back, goes back with the next run", () => {
    run(scripts.exchange);
    let steps = 0;
    while (killed(scripts.undo, steps)) {
      if (stage() === "complete") isNew();
      else {
        run(scripts.settle);
        assert.deepEqual(content("data"), oldData, `killed before command ${steps}`);
        run(scripts.exchange);
      }
      steps += 1;
    }
    assert.ok(steps > 6, String(steps));
  });

  it("killed while files move, takes none of them for the other data", () => {
    run(scripts.exchange);
    // On the way back, a part is in its own place again.
    rmSync(join(root, "data/pg_wal"));
    writeFileSync(join(root, "data", ASIDE, ".moving"), "");
    for (const name of ["PG_VERSION", "base", IDENTITY_FILE]) {
      rmSync(join(root, "data", name), { force: true });
    }
    execFileSync("mv", [join(root, "data", ASIDE, "base"), join(root, "data")]);
    run(scripts.undo);
    assert.deepEqual(content("data"), oldData);
  });
});

describe("a server whose data is exchanged", () => {
  it("is stopped in every state in which it runs or would run again", () => {
    for (const state of ["running", "restarting", "paused"]) assert.ok(isUp(state), state);
    for (const state of ["created", "exited", "dead"]) assert.ok(!isUp(state), state);
  });
});

describe("an exchange that was broken off", () => {
  it("is refused by a deploy, which names what puts the old data back and no fresh start", () => {
    const { message, remedy } = halfExchanged("dev", "postgres");
    assert.match(message, /Nothing is lost.*omniai-dev-postgres-data/);
    assert.match(remedy, /npm run restore -- .*--latest --replace.*npm run upgrade -- .*postgres VERSION/);
    assert.match(halfExchanged("dev", "redis").remedy, /--redis --latest --replace$/);
    assert.doesNotMatch(remedy, /accept-empty/);
  });
});
