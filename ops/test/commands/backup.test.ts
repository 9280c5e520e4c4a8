/** What `npm run backup` and `npm run restore` read of the room, and refuse before they ask it. */
import { strict as assert } from "node:assert";
import { howFar } from "../../commands/backup/progress.ts";
import { databaseCommands } from "../../commands/restore/stores.ts";
import { choose } from "../../commands/restore/restore.ts";
import { describeRoom, parseEvent, type BackupView, type RoomStatus } from "../../engine/backup-room.ts";
import type { OpsError } from "../../terminal/errors.ts";

describe("npm run backup", () => {
  it("reads the room's lines, and passes over all others", () => {
    assert.deepEqual(parseEvent('{"event":"step","text":"dumping omniai"}'), {
      event: "step",
      text: "dumping omniai",
    });
    for (const line of ["", "Traceback (most recent call last):", "[1]", '{"level":"info"}', '"event"'])
      assert.equal(parseEvent(line), undefined, line);
  });

  it("says how far a step is, also where it takes more than was expected", () => {
    assert.equal(howFar(1024, 2048), "1.0 KiB of 2.0 KiB");
    assert.equal(howFar(4096, 2048), "4.0 KiB");
  });

  it("says in one line how fresh the backups are", () => {
    const status: RoomStatus = {
      ...{
        at: "02:00",
        zone: "UTC",
        problems: [],
        backups: 1,
        verified: 1,
        freeBytes: 1,
        running: null,
        offsite: null,
      },
      newest: { id: "dump-1", takenAt: new Date().toISOString() } as BackupView,
      log: { lagSeconds: 2 },
    };
    assert.match(
      describeRoom(status),
      /newest verified backup is from .* ago \(dump-1\); 1 in all.*2 s behind/,
    );
    assert.equal(describeRoom({ ...status, newest: null }), "No verified backup yet.");
    const newest = { ...status.newest, left: ["extension theirs", "locale xx"] } as BackupView;
    assert.match(
      describeRoom({ ...status, newest, external: true }),
      /Proved without what only its provider has: extension theirs; locale xx\./,
    );
  });
});

describe("npm run restore", () => {
  it("wants exactly one way to say what", () => {
    assert.deepEqual(choose({ stack: "dev", latest: true }), []);
    assert.deepEqual(choose({ stack: "dev", id: "dump-1" }), ["--id", "dump-1"]);
    assert.deepEqual(choose({ stack: "dev", to: "2026-11-22 14:03:00+01:00" }), [
      "--to",
      "2026-11-22 14:03:00+01:00",
    ]);
    assert.deepEqual(choose({ stack: "dev", latest: true, redis: true }), ["--redis"]);
    for (const wrong of [
      {},
      { to: "x", redis: true },
      { redis: true },
      { latest: true, id: "dump-1" },
      { id: "dump-1", to: "x" },
    ]) {
      assert.throws(
        () => choose({ stack: "dev", ...wrong }),
        (error: OpsError) => error.exitCode === 2,
      );
    }
  });

  it("runs the stack's own commands for the database again, and no other", () => {
    const urn = (name: string): string => `urn:pulumi:dev::omniai::command:local:Command::${name}`;
    const state = {
      resources: [
        "omniai-dev-postgres-provision",
        "omniai-dev-backend-migrate",
        "omniai-dev-edge-switch",
        "omniai-dev-postgres",
      ].map((name) => ({ urn: urn(name), type: "command:local:Command" })),
    };
    assert.deepEqual(databaseCommands(state), [
      urn("omniai-dev-postgres-provision"),
      urn("omniai-dev-backend-migrate"),
    ]);
  });
});
