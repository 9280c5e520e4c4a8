/** The backup room: when a stack has one, what it declares, and what its image is named by. */
import { strict as assert } from "node:assert";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { STATUS_URL } from "../components/backup/backup.ts";
import { hasBackups } from "../components/backup/config.ts";
import { CONTEXT, sourceHash } from "../components/backup/image.ts";
import { planBackupSettings, renderAccess, renderNoBackup } from "../components/database/backup-access.ts";
import { COMMAND, CONTAINER, record, secretValue, type Recording } from "./support/recorder.ts";

describe("whether a stack has a backup room", () => {
  const has = (stack: string, backups: "auto" | "always" | "never", environment = ""): boolean =>
    hasBackups(stack, { backups, environment: environment as "" });

  it("auto is everywhere but in dev, by the environment or by the stack's name", () => {
    assert.deepEqual(
      [has("dev", "auto"), has("mine", "auto"), has("staging", "auto"), has("prod", "auto")],
      [false, false, true, true],
    );
    assert.equal(has("mine", "auto", "prod"), true);
  });

  it("always and never hold wherever they are said", () => {
    assert.deepEqual([has("dev", "always"), has("prod", "never")], [true, false]);
  });
});

describe("the program, with a backup room", () => {
  let program: Recording;
  before(async () => {
    program = await record("dev", { backups: "always", timeZone: "Europe/Berlin" });
  });
  const room = () => program.named(CONTAINER, "omniai-dev-backup").inputs;

  it("gives the room its own volume and the data network, and nothing of PostgreSQL's but its image", () => {
    const volumes = room()["volumes"] as { volumeName: string; containerPath: string; readOnly: boolean }[];
    assert.deepEqual(
      volumes
        .filter(({ readOnly }) => !readOnly)
        .map(({ volumeName, containerPath }) => [volumeName, containerPath]),
      [["omniai-dev-backup-data", "/var/lib/postgresql/data"]],
    );
    const networks = room()["networksAdvanced"] as { name: string }[];
    assert.deepEqual(
      networks.map(({ name }) => name),
      ["omniai-dev-data"],
    );
    const { inputs } = program.named("docker:index/remoteImage:RemoteImage", "omniai-dev-backup");
    assert.deepEqual((inputs["build"] as { buildArgs: unknown }).buildArgs, {
      POSTGRES_IMAGE: "postgres:17-trixie",
      REDIS_IMAGE: "redis:8",
    });
  });

  it("tells it when a backup is due, and hands the password over as a file", () => {
    const variables = room()["envs"] as string[];
    for (const one of ["OMNIAI_BACKUP_TIME=02:00", "OMNIAI_TIME_ZONE=Europe/Berlin", "OMNIAI_BACKUP_DAYS=7"])
      assert.ok(variables.includes(one), one);
    assert.doesNotMatch(JSON.stringify(room()), /canary/);
    const files = program.named(COMMAND, "omniai-dev-backup-files");
    const archive = Buffer.from(secretValue(files.inputs["stdin"]), "base64").toString();
    assert.match(archive, /\*:\*:\*:omniai_backup:canary/);
    assert.match(archive, /redis-password[\s\S]*canary/);
  });

  it("tells the service where the room says how fresh the backups are", async () => {
    const urlOf = (recording: Recording): string | undefined =>
      (recording.named(CONTAINER, "omniai-dev-backend-1").inputs["envs"] as string[]).find((one) =>
        one.startsWith("OMNIAI_BACKUP_STATUS_URL="),
      );
    assert.equal(urlOf(program), `OMNIAI_BACKUP_STATUS_URL=${STATUS_URL}`);
    assert.equal(urlOf(await record("dev", { backups: "never" })), undefined);
    const source = readFileSync(join(CONTEXT, "room/metrics.py"), "utf8");
    assert.equal(/^PORT = (\d+)$/m.exec(source)?.[1], new URL(STATUS_URL).port);
  });

  it("lets PostgreSQL remember what has changed, and never keep its log without end", () => {
    const command = program.named(CONTAINER, "omniai-dev-postgres").inputs["command"] as string[];
    for (const [key, value] of Object.entries(planBackupSettings(1024)))
      assert.ok(command.includes(`${key}=${value}`), key);
  });

  it("without it, keeps the volume of the backups and lets go of what PostgreSQL would keep for it", async () => {
    const without = await record("dev", { backups: "never" });
    const names = without.of("docker:index/volume:Volume").map(({ inputs }) => inputs["name"]);
    assert.ok(names.includes("omniai-dev-backup-data"));
    assert.ok(!without.of(CONTAINER).some(({ name }) => name === "omniai-dev-backup"));
    const script = secretValue(without.named(COMMAND, "omniai-dev-postgres-provision").inputs["stdin"]);
    assert.ok(script.includes(renderNoBackup("omniai_backup")));
    assert.match(script, /pg_drop_replication_slot/);
  });
});

describe("who may come in to PostgreSQL", () => {
  it("replication is for the backup room alone, and nobody outside of the container is believed without a password", () => {
    const lines = renderAccess("omniai_backup").trim().split("\n");
    const replication = lines.filter((line) => line.startsWith("host replication"));
    assert.deepEqual(replication, [
      'host replication "omniai_backup" all scram-sha-256',
      "host replication all all reject",
    ]);
    for (const line of lines.filter((one) => one.startsWith("host"))) assert.doesNotMatch(line, /trust/);
  });
});

describe("the backup room's image", () => {
  it("has another name for another source or base, and not for what Python leaves behind", () => {
    const folder = mkdtempSync(join(tmpdir(), "omniai-room-"));
    try {
      cpSync(CONTEXT, folder, { recursive: true });
      const images = { postgres: "postgres:17", redis: "redis:8" };
      const hash = sourceHash(images, folder);
      assert.equal(sourceHash(images, folder), hash);
      mkdirSync(join(folder, "room/__pycache__"), { recursive: true });
      writeFileSync(join(folder, "room/__pycache__/x.pyc"), "x");
      assert.equal(sourceHash(images, folder), hash);
      assert.notEqual(sourceHash({ ...images, postgres: "postgres:18" }, folder), hash);
      assert.notEqual(sourceHash({ ...images, redis: "redis:9" }, folder), hash);
      writeFileSync(join(folder, "room/new.py"), "");
      assert.notEqual(sourceHash(images, folder), hash);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
