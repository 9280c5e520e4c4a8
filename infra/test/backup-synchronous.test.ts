/** Commits that wait for the backup room: what the config allows, and what the program makes of it. */
import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { backupProblems, type BackupConfig } from "../components/backup/config.ts";
import { CONTEXT } from "../components/backup/image.ts";
import { RECEIVER, renderSynchronous } from "../components/database/backup-access.ts";
import { COMMAND, record } from "./support/recorder.ts";

const scriptOf = async (
  config: Record<string, unknown>,
  command = "synchronous",
): Promise<{ text: string; create: string }> => {
  const { inputs } = (await record("dev", config)).named(COMMAND, `omniai-dev-postgres-${command}`);
  return {
    text: String((inputs["environment"] as Record<string, unknown>)["SCRIPT"]),
    create: String(inputs["create"]),
  };
};

const roomy = {
  backupMemory: 256,
  redisMemory: 128,
  redis: "container",
  database: "container",
  offsiteBucket: "",
} as const;

describe("commits that wait for the backup room", () => {
  it("are off by default, also where they were on before", async () => {
    for (const backups of ["always", "never"]) {
      const { text } = await scriptOf({ backups });
      assert.equal(text, renderSynchronous(false));
      assert.match(text, /ALTER SYSTEM RESET synchronous_standby_names/);
    }
  });

  it("are a setting that is loaded without a restart, and the server is provisioned without waiting", async () => {
    const { text } = await scriptOf({ backups: "always", backupSynchronous: true });
    assert.equal(text, renderSynchronous(true));
    const { create } = await scriptOf({ backups: "always" }, "provision");
    assert.match(renderSynchronous(true), /FIRST 1 \("omniai-backup-receiver"\)'[\s\S]*pg_reload_conf/);
    assert.match(create, /PGOPTIONS="-c synchronous_commit=local"/);
  });

  it("need a room that no other key can take away", () => {
    const problems = (backups: string): unknown[] =>
      backupProblems({ ...roomy, backups, backupSynchronous: true } as BackupConfig & typeof roomy);
    assert.deepEqual(problems("always"), []);
    for (const backups of ["auto", "never"])
      assert.match(JSON.stringify(problems(backups)), /omniai:backups: always/);
  });

  it("know the room's receiver by the name that it gives itself", () => {
    const wal = readFileSync(join(CONTEXT, "room/wal.py"), "utf8");
    assert.ok(wal.includes(`\nRECEIVER = "${RECEIVER}"\n`));
  });
});
