/** What is said of the backups of lost data. */
import { strict as assert } from "node:assert";
import type { BackupView } from "../../engine/backup-room.ts";
import { describeBackups, type Backups } from "../../stack/lost-data.ts";

const view = (id: string, kind: BackupView["kind"], takenAt: string): BackupView =>
  ({ id, kind, takenAt, state: "verified" }) as unknown as BackupView;

const said = (workload: string, more: Partial<Backups> = {}): string =>
  describeBackups("staging", workload, { room: true, lost: false, offsite: "", ...more });

const BUCKET = "https://s3.example.org/copies";

describe("the backups of lost data", () => {
  it("are none without a room", () => {
    for (const workload of ["postgres", "redis"])
      assert.match(said(workload, { room: false }), new RegExp(`no backup of ${workload}: .*omniai:backups`));
  });

  it("are in their volume, and come back by the command of their own", () => {
    assert.match(
      said("postgres"),
      /in volume omniai-staging-backup-data\..*restore -- --latest --replace --stack/,
    );
    assert.match(
      said("redis"),
      /in volume omniai-staging-backup-data\..*-- --redis --latest --replace --stack/,
    );
  });

  it("come back in steps, the first of which is not a restore", () => {
    assert.match(said("postgres"), /in two steps.*begin anew as below, and then npm run restore -- --latest/);
    assert.match(
      said("postgres", { lost: true, offsite: BUCKET }),
      /in three steps: begin anew as below, then npm run backup -- fetch .*, and then npm run restore -- --latest/,
    );
  });

  it("are named as far as the room answers, each store's alone", () => {
    const list = [
      view("base-1", "base", "2026-01-01T00:00:00Z"),
      view("dump-2", "dump", "2026-01-02T03:04:05Z"),
      view("redis-3", "redis", "2026-01-03T00:00:00Z"),
    ];
    assert.match(
      said("postgres", { list }),
      /: 2, the newest dump-2 of 2026-01-02 03:04:05 UTC \(verified\)/,
    );
    assert.match(said("redis", { list }), /: 1, the newest redis-3 /);
    assert.match(said("redis", { list: list.slice(0, 2) }), /no backup of redis: .* none yet/);
  });

  it("are lost with their volume, unless copies are off-site", () => {
    for (const workload of ["postgres", "redis"]) {
      const gone = said(workload, { lost: true });
      assert.match(gone, /no backup of .* lost as well, and there are no copies off-site/);
      assert.doesNotMatch(gone, /restore/);
      const off = said(workload, { lost: true, offsite: BUCKET });
      assert.match(
        off,
        /off-site \(https:\/\/s3\.example\.org\/copies\).*backup -- fetch --stack.*restore -- /,
      );
    }
    assert.match(
      said("redis", { lost: true, offsite: BUCKET }),
      /--redis --id ID --replace .*backup -- list/,
    );
  });

  it("are themselves lost, and come from off-site or not at all", () => {
    assert.match(said("backup", { lost: true }), /gone, and there are no copies off-site/);
    assert.match(
      said("backup", { lost: true, offsite: BUCKET }),
      /then bring them back: npm run backup -- fetch/,
    );
  });
});
