/** Commits that wait for the room: what that costs while it is away, and that nothing acknowledged is lost. */
import { strict as assert } from "node:assert";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { renderSynchronous } from "../../infra/components/database/backup-access.ts";
import { worldAhead } from "../support/backup-room/ahead.ts";
import { eventually } from "../support/http.ts";
import { buildImage, untilVerified, World } from "../support/backup-room/world.ts";
import { loseUnderWrites, TABLE } from "../support/backup-room/writer.ts";

describe("commits that wait for the backup room", function () {
  this.timeout(240_000);
  let world: World;
  const ready = worldAhead(async () => {
    const made = await World.create(await buildImage(), { synchronous: true });
    await made.psql(`\\connect omniai\n${TABLE}`);
    await made.startRoom();
    await untilVerified(made);
    return made;
  });
  before(async () => {
    world = await ready();
  });
  after(() => world?.remove());

  const commit = (n: number): Promise<number> => {
    const child = spawn("docker", [
      ...["exec", world.postgres, "psql", "-XqAtU", "postgres", "-d", "omniai"],
      ...["-c", `INSERT INTO acknowledged VALUES (-1, ${n})`],
    ]);
    return once(child, "close").then(([code]) => Number(code));
  };
  const waiting = (): Promise<unknown> =>
    eventually("the wait", 20, async () => {
      const found = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
      return (await world.sql(found)) === "1";
    });
  const inStep = (): Promise<unknown> =>
    eventually("the receiver in step", 60, async () => {
      const found = "SELECT sync_state FROM pg_stat_replication WHERE sync_state = 'sync'";
      return (await world.sql(found)) === "sync";
    });

  it("end when it is back, or are not waited for any more; reads go on all the time", async () => {
    await world.stopRoom();
    const first = commit(1);
    await waiting();
    assert.equal(await world.sql("SELECT count(*) FROM acknowledged"), "0", "reads go on");
    await world.startRoom();
    assert.equal(await first, 0);
    await world.stopRoom();
    const second = commit(2);
    await waiting();
    // What `npm run up` does after omniai:backupSynchronous has become false.
    await world.psql(renderSynchronous(false));
    assert.equal(await second, 0);
    await world.psql(renderSynchronous(true));
    await world.startRoom();
    await inStep();
  });

  it("are all there after SIGKILL and the loss of PostgreSQL's volume, at 500 a second", async () => {
    const { acknowledged, missing } = await loseUnderWrites(world, 6);
    assert.ok(acknowledged > 2000, `only ${acknowledged} were acknowledged`);
    assert.equal(missing, 0, `${missing} of ${acknowledged}`);
  });
});
