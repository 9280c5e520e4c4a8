/** The backup room of a real stack, from its first backup to a restore in place of the stack's data. */
import { strict as assert } from "node:assert";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { createCheckout, removeCheckout } from "../support/checkout.ts";
import { call, eventually, openSse, publish } from "../support/http.ts";
import { untilAtRest } from "../support/own-backups.ts";
import { createStack, docker, type TestStack } from "../support/stack.ts";

interface Backup {
  readonly id: string;
  readonly kind: string;
  readonly level: string | null;
  readonly state: string;
  readonly rows: number;
}

interface Listing {
  readonly problems: readonly string[];
  readonly backups: readonly Backup[];
}

interface Ended {
  readonly code: number;
  readonly output: string;
}

interface Restored {
  /** The volume with what was replaced. */
  readonly aside: string;
  readonly until: string;
  readonly backup: Backup;
  readonly changes: readonly { readonly table: string; readonly backup: number; readonly now: number }[];
}

interface Upgraded {
  readonly from: number;
  readonly to: number;
  readonly rows: number;
  /** In seconds. */
  readonly downtime: number;
  readonly aside: string;
}

interface Backups {
  readonly healthy: boolean;
  readonly newest: readonly { readonly kind: string; readonly ageSeconds: number }[];
}

describe("the backups of a stack", function () {
  this.timeout(600_000);
  let checkout: string;
  let stack: TestStack;
  /** When all of the test's rows were there. */
  let moment = "";
  /** It only looks, and takes as long as the room's first backups. */
  let drift: Promise<Ended>;

  const exec = (workload: string, ...command: string[]): string =>
    execFileSync("docker", ["exec", `omniai-${stack.name}-${workload}`, ...command], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
    }).trim();
  const sql = (statement: string): string =>
    exec("postgres", "psql", "-U", "postgres", "-d", "omniai", "-qAtc", statement);
  const asJson = async <T>(command: string, ...args: string[]): Promise<T> => {
    const { code, stdout, output } = await stack.run(command, ...args, "--json");
    assert.equal(code, 0, output);
    return JSON.parse(stdout) as T;
  };
  const list = (): Promise<Listing> => asJson<Listing>("backup", "list");
  /** Which PostgreSQL a volume has the data of. */
  const versionIn = (volume: string): string => {
    const run = ["run", "--rm", "--network", "none", "-v", `${volume}:/aside:ro`, "postgres:17-trixie"];
    return execFileSync("docker", [...run, "cat", "/aside/PG_VERSION"], { encoding: "utf8" }).trim();
  };
  const OLD_IMAGE = "postgres:17-trixie";
  const NEW_IMAGE = "postgres:18-trixie";
  /** Writes one row after the other until it is told to stop. @returns how many were acknowledged */
  const write = async (goesOn: () => boolean): Promise<number> => {
    let acknowledged = 0;
    for (let n = 1; goesOn(); n += 1) {
      const server = `omniai-${stack.name}-postgres`;
      const insert = `INSERT INTO written VALUES (${n})`;
      const psql = ["exec", server, "psql", "-qU", "omniai", "-d", "omniai", "-c", insert];
      const [code] = (await once(spawn("docker", psql, { stdio: "ignore" }), "close")) as [number];
      if (code === 0) acknowledged += 1;
      else await setTimeout(200);
    }
    return acknowledged;
  };
  const flip = (id: string): void => {
    exec(
      "backup",
      "sh",
      "-c",
      `printf X | dd of=/backup/dumps/${id}/1.dump bs=1 seek=2000 conv=notrunc 2>&1`,
    );
  };

  before("comes up with the room", async () => {
    checkout = createCheckout();
    stack = await createStack(checkout, { backups: "always", timeZone: "Europe/Berlin" });
    const { code, output } = await stack.run("up", "--yes");
    assert.equal(code, 0, output);
    drift = stack.run("drift");
  });
  after(async () => {
    await drift;
    await stack?.remove();
    removeCheckout(checkout);
  });

  it("caught up at boot: the day has a verified backup without anybody asking", async () => {
    await untilAtRest(stack, 3);
    assert.equal((await list()).backups.filter(({ state }) => state === "verified").length, 3);
    const { code, stdout } = await stack.run("status");
    assert.equal(code, 0);
    assert.match(stdout, /newest verified backup is from .* ago \(base-/);
    const said = await stack.run("logs", "backup");
    assert.equal(said.code, 0, said.output);
    assert.match(said.stdout, /backup|dump|base/);
  });

  it("tells the replicas and Prometheus how fresh the backups are", async () => {
    const [replica = ""] = await stack.containers("backend");
    const ask = (what: string): string => {
      const script = `fetch(${what}).then((answer) => answer.text()).then(console.log)`;
      return execFileSync("docker", ["exec", replica, "node", "-e", script], { encoding: "utf8" });
    };
    // As the service asks, which shows it to whoever has diag:read.
    const said = await eventually("all to be well", 60, () => {
      const found = JSON.parse(ask("process.env.OMNIAI_BACKUP_STATUS_URL")) as Backups;
      return found.healthy && found.newest.length === 3 ? found : undefined;
    });
    assert.deepEqual(
      said.newest.map(({ kind }) => kind),
      ["dump", "base", "redis"],
    );
    for (const { ageSeconds } of said.newest) assert.ok(ageSeconds < 900, `${ageSeconds} s`);
    const text = ask('"http://backup:9470/metrics"');
    assert.match(text, /^omniai_backup_age_seconds\{kind="base"\} \d+$/m);
    assert.match(text, /^omniai_backup_healthy 1$/m);
  });

  it("is not replaced by anything that the engine says otherwise", async () => {
    const { code, output } = await drift;
    assert.equal(code, 0, output);
  });

  it("the room has no way out, no right, no data of PostgreSQL and no volume that nobody named", async () => {
    const { HostConfig, Mounts, NetworkSettings } = await docker
      .getContainer(`omniai-${stack.name}-backup`)
      .inspect();
    assert.deepEqual(Object.keys(NetworkSettings.Networks), [`omniai-${stack.name}-data`]);
    assert.equal(HostConfig.ReadonlyRootfs, true);
    const names = Mounts.map(({ Name }) => Name ?? "").filter((name) => name.endsWith("-data"));
    assert.deepEqual(names, [`omniai-${stack.name}-backup-data`]);
    assert.equal(Mounts.length, 2, JSON.stringify(Mounts));
  });

  it("restores beside, and says what differs from the stack, which it leaves alone", async () => {
    sql("SET ROLE omniai; CREATE TABLE kept (n int); INSERT INTO kept SELECT generate_series(1, 1000)");
    const taken = await asJson<Backup[]>("backup");
    assert.deepEqual(
      taken.map(({ kind, level, state }) => [kind, level, state]),
      [
        ["dump", null, "verified"],
        ["base", "incremental", "verified"],
        ["redis", null, "verified"],
      ],
    );
    moment = sql("SELECT clock_timestamp()");
    sql("DELETE FROM kept WHERE n > 10");
    const { backup, changes } = await asJson<Restored>("restore", "--to", moment);
    assert.equal(backup.id, taken[1]?.id);
    assert.deepEqual(
      changes.filter(({ table }) => table === "omniai: public.kept"),
      [{ table: "omniai: public.kept", backup: 1000, now: 10 }],
    );
    assert.equal(sql("SELECT count(*) FROM kept"), "10");
    // Every change is on the room's disk a moment later: all that there is has this one too.
    assert.deepEqual((await asJson<Restored>("restore", "--latest")).changes, []);
  });

  it("is still the stack's own on a host that was set up anew in the midst of an exchange, and not deployed until that is over", async () => {
    // The engine's id is another one then, and what proves that it is the stack's lies aside.
    const { ID } = (await docker.info()) as { readonly ID: string };
    const state = join(checkout, ".state/.pulumi/stacks/omniai", `${stack.name}.json`);
    const known = readFileSync(state, "utf8");
    assert.ok(known.includes(ID));
    writeFileSync(state, known.replaceAll(ID, "AS:IT:WAS:BEFORE"));
    execFileSync("docker", ["stop", `omniai-${stack.name}-postgres`]);
    const half =
      "mkdir .replaced && touch .replaced/.exchange .replaced/.copying && find . -mindepth 1 -maxdepth 1 ! -name .replaced -exec mv -t .replaced {} + && echo 17 > PG_VERSION";
    execFileSync("docker", [
      ...[
        "run",
        "--rm",
        "--network",
        "none",
        "--user",
        "999:999",
        "-v",
        `omniai-${stack.name}-postgres-data:/data`,
      ],
      ...["-w", "/data", "--entrypoint", "sh", OLD_IMAGE, "-c", half],
    ]);
    const { code, output } = await stack.run("up", "--yes");
    assert.equal(code, 1, output);
    assert.match(output, /exchange of the data of postgres .* was broken off.*Nothing is lost/);
    assert.doesNotMatch(output, /another Docker engine/);
  });

  it("replaces the data, keeps what was there, and serves with today's passwords", async () => {
    const { code, output } = await stack.run("restore", "--to", moment, "--replace", "--yes");
    assert.equal(code, 0, output);
    assert.match(output, /was broken off: the old data is put back first/);
    assert.equal(sql("SELECT count(*) FROM kept"), "1000");
    await eventually("the service", 60, async () => (await call(`${stack.http}/readyz`)).status === 200);
    assert.equal((await call(`${stack.http}/api/events/poll`)).status, 200, "maintenance is over");
    // A restored server has no slot: the room makes it anew.
    await eventually(
      "the slot",
      120,
      () => sql("SELECT active FROM pg_replication_slots WHERE slot_name = 'omniai_backup'") === "t",
    );
    const [, aside = ""] = /docker volume rm (\S+)/.exec(output) ?? [];
    assert.equal(versionIn(aside), "17");
    assert.equal((await stack.run("health")).code, 0);
    // The restored server goes its own way, so nothing builds on what was taken before.
    const [, base] = await asJson<Backup[]>("backup");
    assert.deepEqual([base?.level, base?.state], ["full", "verified"]);
    assert.deepEqual((await list()).problems, []);
  });

  it("brings Redis back: events and sessions of then, one reset for each client, and no silence after it", async () => {
    const post = async (n: number): Promise<void> => {
      const { status, text } = await publish(stack.http, { type: "kept", data: { n } });
      assert.equal(status, 201, text);
    };
    await post(1);
    await asJson<Backup[]>("backup");
    await post(2);
    const stream = openSse(`${stack.http}/api/events`);
    const seen = (what: string): number =>
      stream.events.filter(({ event, data }) => event === what || data.includes(what)).length;
    const late = (await call(`${stack.http}/api/events/poll`)).text;
    const { next } = JSON.parse(late) as { next: string };
    try {
      await post(3);
      await eventually("the event", 60, () => seen('"n":3') === 1);
      const beside = await asJson<Restored>("restore", "--redis", "--latest");
      const replaced = ["restore", "--redis", "--latest", "--replace", "--yes"] as const;
      const replacement = await asJson<Restored>(...replaced);
      const { changes, aside } = replacement;
      assert.deepEqual(
        changes.filter(({ table }) => /events/.test(table)).map(({ backup, now }) => now - backup),
        [2],
      );
      const events = ({ changes: all }: Restored): object[] =>
        all.filter(({ table }) => /events/.test(table));
      assert.deepEqual(events(replacement), events(beside));
      assert.match(aside, /^omniai-\S+-redis-replaced-/);
      await eventually("the service", 60, async () => (await call(`${stack.http}/readyz`)).status === 200);
      await eventually("the reset", 60, () => seen("reset") === 1);
      await post(4);
      await eventually("the event after it", 60, () => seen('"n":4') === 1);
      assert.equal(seen("reset"), 1, JSON.stringify(stream.events));
      // One that was away all the time is told as well, and gets what is kept.
      const back = JSON.parse((await call(`${stack.http}/api/events/poll?after=${next}`)).text) as {
        reset?: { reason: string };
      };
      assert.equal(back.reset?.reason, "epoch");
      assert.equal((await stack.run("health")).code, 0);
    } finally {
      stream.close();
    }
  });

  it("refuses a damaged backup before anything is touched, and offers another", async () => {
    const [newest, before] = (await list()).backups.filter(({ kind }) => kind === "dump");
    assert.ok(newest && before);
    const others = (await list()).backups.filter(({ id, kind }) => id !== newest.id && kind !== "redis");
    flip(newest.id);
    const { code, output } = await stack.run("restore", "--id", newest.id, "--replace", "--yes");
    assert.notEqual(code, 0);
    assert.match(output, /1\.dump is not what was written/);
    assert.match(output, new RegExp(`newest verified one is ${others[0]?.id}`));
    assert.equal(sql("SELECT count(*) FROM kept"), "1000");
    const after = await list();
    assert.equal(after.backups.find(({ id }) => id === newest.id)?.state, "damaged");
    assert.match(after.problems.join(), /1\.dump is not what was written/);
    // Proving another and clearing up leave it to a person, and the good ones alone.
    assert.equal((await asJson<Backup>("backup", "verify", "--id", before.id)).state, "verified");
    await asJson("backup", "prune");
    assert.ok((await list()).backups.some(({ id }) => id === before.id));
  });

  it("gets a newer major version of PostgreSQL: all that was acknowledged is there, and the old data is kept", async () => {
    sql("SET ROLE omniai; CREATE TABLE written (n int PRIMARY KEY); CREATE SEQUENCE s START 42");
    sql("SELECT nextval('s')");
    const tried = await stack.run("upgrade", "postgres", "18", "--rehearse");
    assert.equal(tried.code, 0, tried.output);
    assert.match(tried.output, /restores into PostgreSQL 18: .* Nothing of the stack was changed/);
    assert.match(sql("SHOW server_version"), /^17\./);
    let goesOn = true;
    const writing = write(() => goesOn);
    const upgrade = ["upgrade", "postgres", "18", "--yes"] as const;
    const { from, to, rows, downtime, aside } = await asJson<Upgraded>(...upgrade).finally(() => {
      goesOn = false;
    });
    assert.equal(sql("SELECT count(*) FROM written"), String(await writing));
    assert.deepEqual([from, to], [17, 18]);
    assert.match(sql("SHOW server_version"), /^18\./);
    assert.ok(rows >= 1000 && downtime > 0, `${rows} rows, ${downtime} s`);
    assert.equal(sql("SELECT nextval('s')"), "43");
    await eventually("the service", 60, async () => (await call(`${stack.http}/readyz`)).status === 200);
    assert.equal((await call(`${stack.http}/api/events/poll`)).status, 200, "maintenance is over");
    assert.equal(versionIn(aside), "17");
    const file = readFileSync(join(checkout, `Pulumi.${stack.name}.yaml`), "utf8");
    assert.match(file, /omniai:postgresImage: postgres:18-trixie/);
    const { code, output } = await stack.run("upgrade", "postgres", "18", "--yes");
    assert.equal(code, 2, output);
    assert.match(output, /has PostgreSQL 18 already/);
  });

  it("refuses a version of PostgreSQL that does not start on its data, before anything is touched", async () => {
    stack.configure({ postgresImage: OLD_IMAGE });
    const { code, output } = await stack.run("up", "--yes");
    assert.equal(code, 2, output);
    assert.match(output, /data of stack .* is of PostgreSQL 18, and .* is PostgreSQL 17/);
    assert.match(sql("SHOW server_version"), /^18\./);
    stack.configure({ postgresImage: NEW_IMAGE });
  });

  it("switched off, keeps its backups and starts without the room", async () => {
    stack.configure({ backups: "never", postgresImage: NEW_IMAGE });
    const { code, output } = await stack.run("up", "--yes");
    assert.equal(code, 0, output);
    assert.deepEqual(await stack.containers("backup"), []);
    const refused = await stack.run("backup");
    assert.notEqual(refused.code, 0);
    assert.match(refused.output, /has no backup room[\s\S]*omniai:backups: always/);
    const { Volumes } = await docker.listVolumes({
      filters: JSON.stringify({ name: [`omniai-${stack.name}-backup-data`] }),
    });
    assert.equal(Volumes.length, 1);
  });
});
