/** A backup room and a PostgreSQL that others run: dumps by verified TLS through the gate, proved, and nothing written there. */
import { strict as assert } from "node:assert";
import type { BackupView } from "../../ops/engine/backup-room.ts";
import { worldAhead } from "../support/backup-room/ahead.ts";
import { ALIAS, Provider } from "../support/backup-room/provider.ts";
import { buildImage, docker, untilVerified, World, type Restored } from "../support/backup-room/world.ts";
import { eventually } from "../support/http.ts";

/** An extension with what some have: a schema, and a table whose rows are its users' own, with all that hangs on one. */
const EXTENSION = `CREATE SCHEMA own;
  CREATE TABLE own."a job" (id serial PRIMARY KEY CHECK (id > 0), name text UNIQUE);
  CREATE FUNCTION own.f(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
  CREATE FUNCTION own.t() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
  CREATE TRIGGER t BEFORE INSERT ON own."a job" FOR EACH ROW EXECUTE FUNCTION own.t();
  SELECT pg_extension_config_dump('own."a job"', '');
  SELECT pg_extension_config_dump('own."a job_id_seq"', '');
`;

describe("dumps of a PostgreSQL that others run", function () {
  this.timeout(240_000);
  let world: World;
  let provider: Provider;

  const removeAll = async (): Promise<void> => {
    // The gate is on the room's network: a network with somebody on it cannot be removed.
    await provider?.remove();
    await world?.remove();
  };
  const ready = worldAhead(async () => {
    const image = await buildImage();
    world = await World.create(image, { postgres: false });
    provider = await Provider.create(image, world.name);
    await world.addSecrets(provider.secrets);
    await provider.asTenant(`CREATE TABLE kept AS SELECT n, md5(n::text) AS text FROM generate_series(1, 20000) n;
      ALTER TABLE kept ADD PRIMARY KEY (n); CREATE SEQUENCE s; SELECT nextval('s')`);
    await world.startRoom(provider.variables());
    return world;
  }, removeAll);
  before(async () => {
    await ready();
    await untilVerified(world, 1);
  });
  after(removeAll);

  const dumps = async () => (await world.list()).backups;
  /** Runs a verb for another database, on a shelf of its own: the room's loop goes on with the stack's. */
  const ASIDE = "/backup/aside";
  const ofDatabase = async (name: string, ...args: string[]) => {
    const answer = await world.askWith(
      { OMNIAI_EXTERNAL_DATABASE: name, OMNIAI_BACKUP_FOLDER: ASIDE },
      ...args,
    );
    const { backups = [] } = answer.events.at(-1) as { readonly backups?: readonly BackupView[] };
    return { ...answer, backups };
  };
  /** All that a stray restore would change there. */
  const whole = (): Promise<string> =>
    provider.sql(`SELECT (SELECT string_agg(datname, ',' ORDER BY 1) FROM pg_database),
      (SELECT string_agg(rolname, ',' ORDER BY 1) FROM pg_authid), (SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables)`);

  it("are taken by the room itself and verified, without a slot, a receiver or a base backup, and all is well", async () => {
    const { backups, status } = await world.list();
    assert.deepEqual(
      backups.map(({ kind, state, rows }) => [kind, state, rows]),
      [["dump", "verified", 20_000]],
    );
    assert.deepEqual(status.problems, []);
    assert.deepEqual([status.external, status.log], [true, null]);
    assert.equal(await provider.sql("SELECT count(*) FROM pg_replication_slots"), "0");
    assert.ok((await world.programs()).every((line) => !/pg_receivewal/.test(line)));
    // They are as old as the loop's last look.
    const metrics = await eventually("a look after the dump", 60, async () => {
      const text = await world.inRoom(
        `python3 -c 'import urllib.request; print(urllib.request.urlopen("http://127.0.0.1:9470/metrics").read().decode())'`,
      );
      return text.includes('omniai_backup_verified{kind="dump"} 1\n') && text;
    });
    assert.match(metrics, /omniai_backup_healthy 1\n/);
    assert.doesNotMatch(metrics, /kind="base"|wal_lag/);
  });

  it("have the roles without their passwords, and are read in transactions that cannot write", async () => {
    const roles = await world.inRoom("zstd -dcq /backup/dumps/*/globals.sql.zst");
    assert.match(roles, /CREATE ROLE tenant;/);
    assert.doesNotMatch(roles, /SCRAM|PASSWORD|md5/);
    const script = `
from room import server, settings
with server.source(settings.load()) as connection:
    try: server.rows(connection, "CREATE TABLE made (n int)")
    except Exception as error: print(error)
    print(server.one(connection, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"))
    print(server.one(connection, "SHOW tcp_keepalives_idle"))`;
    assert.match(
      await world.inRoom(`python3 -c '${script}'`),
      /CREATE TABLE in a read-only transaction\s+True\s+60$/,
    );
  });

  it("come from whom the system's list of authorities trusts, where the config names none", async () => {
    const list = "SSL_CERT_FILE=/run/secrets/postgres-authority.pem";
    const script = `
from room import server, settings
with server.source(settings.load()) as connection: print(server.one(connection, "SELECT current_user"))`;
    assert.equal(await world.inRoom(`PGSSLROOTCERT=system ${list} python3 -c '${script}'`), "tenant");
  });

  it("restore beside, and are compared with the provider's server, where nothing is changed", async () => {
    await provider.asTenant("INSERT INTO kept VALUES (20001, 'later')");
    const before = await whole();
    const { changes, backup } = await world.get<Restored>("restore");
    assert.equal(backup.kind, "dump");
    assert.deepEqual(changes, [{ table: "shop: public.kept", backup: 20_000, now: 20_001 }]);
    assert.equal((await world.ask("verify")).code, 0);
    assert.equal(await whole(), before);
  });

  it("are no moments in between, and cannot take the place of a server of the stack's own", async () => {
    const moment = await world.ask("restore", "--to", new Date(Date.now() - 1000).toISOString());
    assert.equal(moment.code, 1);
    assert.match(moment.what, /dumps here and no log/);
    assert.match(moment.remedy, /provider's to restore/);
    const kept = await world.ask("restore", "--keep");
    assert.equal(kept.code, 1);
    assert.match(kept.what, /is of a PostgreSQL that others ran/);
    assert.equal(await world.inRoom("ls -d /backup/restored 2>/dev/null | wc -l"), "0");
  });

  it("of a former server are not restored unasked in the place of the one of now", async () => {
    const { code, what, remedy } = await world.askWith(provider.variables(ALIAS), "restore");
    assert.equal(code, 1);
    assert.match(what, /no verified dump of alias\.test yet. \d+ are of a server that the stack had before/);
    assert.match(remedy, /restore one with --id/);
  });

  it("prove without the provider's own extensions and statements, and say what that was", async () => {
    const folder = "/usr/share/postgresql/17/extension";
    await provider.server.exec(
      ...["sh", "-c", 'printf %s "$2" > "$1.control"; printf %s "$3" > "$1--1.sql"', "sh"],
      ...[`${folder}/providers-own`, "default_version = '1'", EXTENSION],
    );
    await provider.sql(`CREATE EXTENSION "providers-own"; COMMENT ON EXTENSION "providers-own" IS 'x'; CREATE ROLE providers_admin;
      INSERT INTO own."a job" VALUES (DEFAULT, 'mine'); GRANT USAGE ON SCHEMA own TO tenant;
      GRANT SELECT ON ALL TABLES IN SCHEMA own TO tenant; GRANT SELECT ON ALL SEQUENCES IN SCHEMA own TO tenant;
      GRANT EXECUTE ON FUNCTION own.f(int) TO tenant;
      SET allow_system_table_mods = on;
      INSERT INTO pg_db_role_setting SELECT 0, oid, '{providers_setting=1}' FROM pg_roles WHERE rolname = 'providers_admin'`);
    const { code, what, events } = await world.ask("backup");
    assert.equal(code, 0, what);
    const said = events.flatMap((event) => (event.event === "step" ? [event.text] : []));
    const left = said.filter((text) => /the provider's own/.test(text)).join();
    assert.match(left, /unrecognized configuration parameter "providers_setting"/);
    assert.match(left, /extension providers-own/);
    const [newest] = await dumps();
    assert.equal(newest?.state, "verified");
    // It is known later as well, to whoever did not see the run.
    assert.equal(newest.left?.length, 2);
  });

  it("that do not restore what was there do not count, though something else of them was left out", async () => {
    const [newest] = await dumps();
    const id = newest?.id ?? "";
    const change = `
import pathlib
from room import manifest
folder = pathlib.Path("/backup/dumps/${id}")
found = {key: value for key, value in manifest.read(folder).items() if key != "checksum"}
one = found["databases"][0]
one["tables"]["public.kept"] += SIGN
one["counts"]["constraints"] += SIGN
found["roles"]["tenant"]["memberOf"] = "{ghost}" if SIGN == 1 else "{}"
found["roles"]["providers_admin"]["memberOf"] = "{ghost}" if SIGN == 1 else "{}"
manifest.write(folder, found)`;
    const changed = (sign: string) =>
      world.inRoom(
        `cat > /tmp/change.py <<'END'\n${change.replaceAll("SIGN", sign)}\nEND\npython3 /tmp/change.py`,
      );
    await changed("1");
    const { code, what } = await world.ask("verify", "--id", id);
    assert.equal(code, 1);
    assert.match(what, /shop: rows of public.kept: 20002 became 20001/);
    assert.match(what, /shop: number of constraints: 2 became 1/);
    assert.match(what, /role tenant: .*ghost/);
    // A statement about this one was refused.
    assert.doesNotMatch(what, /role providers_admin/);
    assert.equal((await dumps())[0]?.state, "damaged");
    await changed("-1");
    await world.get("verify", "--id", id);
    assert.equal((await dumps())[0]?.state, "verified");
  });

  it("bring code along that runs, in the room, as a role which may do nothing there", async () => {
    await provider.asTenant(`CREATE FUNCTION reach(int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
        IF current_user <> 'tenant' THEN COPY (SELECT 1) TO PROGRAM 'cat > /backup/was-here'; END IF; RETURN true; END $$;
      CREATE TABLE reaching (n int CHECK (reach(n))); INSERT INTO reaching VALUES (1)`);
    const { code, what } = await world.ask("backup");
    assert.equal(code, 1);
    assert.match(what, /Only roles with privileges of the "pg_execute_server_program" role/);
    assert.equal(await world.inRoom("ls /backup/was-here 2>/dev/null | wc -l"), "0");
    await provider.sql(`DROP TABLE reaching; DROP FUNCTION reach; CREATE SCHEMA more AUTHORIZATION tenant;
      CREATE EXTENSION hstore SCHEMA more; CREATE FUNCTION event() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
      CREATE EVENT TRIGGER event ON ddl_command_end EXECUTE FUNCTION event(); CREATE PUBLICATION all_of_it FOR ALL TABLES;
      CREATE FOREIGN DATA WRAPPER far; CREATE SERVER far FOREIGN DATA WRAPPER far;
      CREATE FOREIGN TABLE far (n integer) SERVER far; COMMENT ON FOREIGN TABLE far IS 'x'`);
    await provider.asTenant(`CREATE TABLE more.kinds (h more.hstore, id serial PRIMARY KEY); INSERT INTO more.kinds VALUES ('a=>1');
      CREATE INDEX ON more.kinds ((h::text || 'x')); CREATE POLICY own ON more.kinds TO tenant USING (true);
      CREATE VIEW seen AS SELECT * FROM more.kinds; GRANT SELECT ON seen TO PUBLIC; COMMENT ON SCHEMA more IS 'more';
      COMMENT ON SCHEMA public IS 'ours'; CREATE SCHEMA "x SCHEMA"; CREATE TABLE "x SCHEMA".t (); COMMENT ON TABLE "x SCHEMA".t IS 'x'`);
    await world.get("backup");
    const left = (await dumps())[0]?.left?.join() ?? "";
    assert.match(left, /event trigger - event/);
    assert.match(left, /publication - all_of_it/);
    assert.match(left, /server - far/);
    await provider.sql(
      "DROP EVENT TRIGGER event; DROP PUBLICATION all_of_it; DROP FOREIGN DATA WRAPPER far CASCADE",
    );
  });

  it("bring no code to the superuser by names that look like entries of a dump's list", async () => {
    await provider.sql("CREATE DATABASE crafted OWNER tenant");
    // pg_restore takes this character for part of a name, and Python for the end of a line.
    const end = "\u2028";
    const name = (prefix: string, id: string): string => `"${prefix}${end}${id}; 2615 1 SCHEMA - y"`;
    await provider.sql(
      `SET ROLE tenant;
      CREATE FUNCTION reach(int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
        IF current_setting('is_superuser') = 'on' THEN COPY (SELECT 1) TO PROGRAM 'cat > /backup/was-here'; END IF; RETURN true; END $$;
      CREATE TABLE reaching (n int CHECK (reach(n))); INSERT INTO reaching VALUES (1);
      CREATE TABLE ${name("a", "1")} (); CREATE TABLE ${name("b", "1")} (); CREATE TABLE ${name("c", "1")} ()`,
      "crafted",
    );
    const first = await ofDatabase("crafted", "backup");
    const [{ id } = assert.fail(first.what)] = first.backups;
    const list = await world.inRoom(`pg_restore --list ${ASIDE}/dumps/${id}/1.dump`);
    const idOf = (entry: string): string =>
      new RegExp(`^(\\d+); \\d+ \\d+ ${entry} `, "m").exec(list)?.[1] ?? assert.fail(list);
    const entries = [
      "FUNCTION public reach\\(integer\\)",
      "TABLE public reaching",
      "TABLE DATA public reaching",
    ];
    const renamed = entries.map((entry, index) => {
      const prefix = "abc".charAt(index);
      return `ALTER TABLE ${name(prefix, "1")} RENAME TO ${name(prefix, idOf(entry))};`;
    });
    await provider.sql(renamed.join("\n"), "crafted");
    const { code, what } = await ofDatabase("crafted", "backup");
    assert.equal(await world.inRoom("ls /backup/was-here 2>/dev/null | wc -l"), "0");
    assert.equal(code, 0, what);
    await provider.sql("DROP DATABASE crafted WITH (FORCE)", "postgres");
  });

  it("bring no code to the superuser by functions that fit better than those of the check", async () => {
    await provider.sql("CREATE DATABASE fitting OWNER tenant");
    // The check calls its own by names of parameters, in the schema where the dump's owner has put them, with an oid for a regclass.
    const reach = `LANGUAGE plpgsql AS $$ BEGIN
      IF current_setting('is_superuser') = 'on' THEN COPY (SELECT 1) TO PROGRAM 'cat > /backup/was-here'; END IF; END $$`;
    await provider.sql(
      `CREATE EXTENSION amcheck SCHEMA public; SET ROLE tenant; CREATE TABLE t (n int PRIMARY KEY); INSERT INTO t VALUES (1);
      CREATE FUNCTION public.bt_index_check(index oid, heapallindexed boolean) RETURNS void ${reach}`,
      "fitting",
    );
    const { code, what, backups } = await ofDatabase("fitting", "backup");
    assert.equal(await world.inRoom("ls /backup/was-here 2>/dev/null | wc -l"), "0");
    assert.equal(code, 0, what);
    assert.ok(backups[0]?.left?.includes("extension amcheck"));
    await provider.sql("DROP DATABASE fitting WITH (FORCE)", "postgres");
  });

  it("bring no code to the superuser by what PostgreSQL computes while it plans a query", async () => {
    await provider.sql("CREATE DATABASE planned OWNER tenant");
    // It may not start a program itself, as it says that it changes nothing.
    await provider.sql(
      `SET ROLE tenant; CREATE TABLE t (n int); INSERT INTO t VALUES (1);
      CREATE FUNCTION reach() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
        IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN COPY (SELECT 1) TO PROGRAM 'cat > /backup/was-here'; END IF; END $$;
      CREATE FUNCTION constant(int) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM public.reach(); RETURN true; END $$;
      CREATE INDEX ON t (n) WHERE constant(1);
      CREATE TABLE forced (n int); INSERT INTO forced VALUES (1), (2); ALTER TABLE forced ENABLE ROW LEVEL SECURITY;
      ALTER TABLE forced FORCE ROW LEVEL SECURITY; RESET ROLE; ALTER ROLE tenant BYPASSRLS`,
      "planned",
    );
    const taken = await ofDatabase("planned", "backup");
    const beside = await ofDatabase("planned", "restore");
    await provider.sql("ALTER ROLE tenant NOBYPASSRLS");
    assert.equal(await world.inRoom("ls /backup/was-here 2>/dev/null | wc -l"), "0");
    for (const { code, what } of [taken, beside]) assert.equal(code, 0, what);
    await provider.sql("DROP DATABASE planned WITH (FORCE)", "postgres");
  });

  /** Runs lines of Python in the room, beside a `target` that is an empty scratch server. @returns what they print */
  const inScratch = (body: string): Promise<string> => {
    const script = `
from room import load, loader, lock, scratch, server, settings
own = settings.load()
first = "p" * 63
about = {"bootstrapRole": first, "encoding": "UTF8", "collate": "C", "ctype": "C", "localeProvider": "c", "checksums": False, "preload": ""}
with lock.held(own, "a test"), scratch.workspace(own, "of-a-test") as work:
  with scratch.running(own, work, scratch.make(work, {"server": about}), about) as target:
    place = (target.host, target.port, target.user, "postgres")${body}`;
    return world.inRoom(`cat > /tmp/scratch.py <<'END'\n${script}\nEND\npython3 /tmp/scratch.py`);
  };

  it("set nothing for the superuser by a role whose name PostgreSQL cuts", async () => {
    const said = await inScratch(`
    for name in ("a", first + "p"):
      script = """CREATE ROLE a; ALTER ROLE "%s" SET search_path TO 'x';""" % name
      try: print(loader.restore_roles(load.Load(target, work, {"server": about, "roles": {}, "external": {}}), script))
      except settings.RoomError as error: print(error.what)`);
    assert.match(said, /^\[\]\nThe dump's roles would set something for the superuser/m);
  });

  it("are loaded with no more rights to what an extension has made than to put rows there", async () => {
    const said = await inScratch(`
    with server.connect(*place) as connection, connection.cursor() as cursor:
      cursor.execute("""CREATE ROLE loading; CREATE FOREIGN DATA WRAPPER theirs; CREATE SERVER there FOREIGN DATA WRAPPER theirs;
        CREATE TABLE public.t (n int PRIMARY KEY); CREATE SEQUENCE public.s;
        ALTER EXTENSION plpgsql ADD TABLE public.t; ALTER EXTENSION plpgsql ADD SEQUENCE public.s; ALTER EXTENSION plpgsql ADD SERVER there""")
    loader.give(load.Load(target, work, {"server": about, "external": {}}), "postgres", "loading", ["there", "far away"])
    with server.connect(*place) as connection:
      rights = ("INSERT", "SELECT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
      print([right for right in rights if server.one(connection, "SELECT has_table_privilege(%s, %s, %s)", "loading", "public.t", right)])
      print(server.one(connection, "SELECT has_sequence_privilege(%s, %s, %s)", "loading", "public.s", "UPDATE"))
      print(server.rows(connection, "SELECT srvname, has_server_privilege(%s, oid, %s) FROM pg_foreign_server ORDER BY 1", "loading", "USAGE"))`);
    assert.match(said, /\['INSERT', 'SELECT'\]\nTrue\n\[\('far away', True\), \('there', False\)\]$/);
  });

  it("prove whatever the database's name, encoding, tablespaces, settings and foreign tables are", async () => {
    await provider.server.exec("sh", "-c", "install -d -o postgres /tmp/fast");
    await provider.sql("CREATE TABLESPACE fast LOCATION '/tmp/fast'");
    const plain = "TEMPLATE template0 ENCODING LATIN1 LC_COLLATE 'C' LC_CTYPE 'C' TABLESPACE fast";
    await provider.sql(`CREATE DATABASE "-a=b" OWNER tenant ${plain}`);
    const odd = "dbname='-a=b'";
    await provider.sql(
      `CREATE FOREIGN DATA WRAPPER far; CREATE SERVER "far away" FOREIGN DATA WRAPPER far OPTIONS (host 'x');
      GRANT USAGE ON FOREIGN SERVER "far away" TO tenant; GRANT CREATE ON TABLESPACE fast TO tenant;
      ALTER DATABASE "-a=b" SET quote_all_identifiers = on; ALTER ROLE tenant IN DATABASE "-a=b" SET transaction_timeout = '500ms';
      ALTER ROLE postgres SET role = 'tenant'; SET client_encoding = 'UTF8'; SET default_tablespace = fast; SET ROLE tenant;
      CREATE TABLE "größe" (n int, t text); INSERT INTO "größe" VALUES (1, 'ß'); SELECT lo_from_bytea(0, 'x');
      SET default_tablespace = ''; CREATE SEQUENCE "naïve";
      CREATE TABLE whole (n int) PARTITION BY RANGE (n); CREATE TABLE near PARTITION OF whole FOR VALUES FROM (0) TO (9);
      CREATE FOREIGN TABLE far PARTITION OF whole FOR VALUES FROM (9) TO (99) SERVER "far away";
      CREATE FOREIGN TABLE alone (id serial, n int DEFAULT 3 CHECK (n > 0)) SERVER "far away"; COMMENT ON COLUMN alone.n IS 'x';
      CREATE FUNCTION t() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
      CREATE TRIGGER t BEFORE INSERT ON alone FOR EACH ROW EXECUTE FUNCTION t();
      CREATE VIEW seen AS SELECT n FROM alone; CREATE MATERIALIZED VIEW kept_of AS SELECT n FROM seen WITH NO DATA;
      CREATE MATERIALIZED VIEW "kept_of ours" AS SELECT 1 AS n`,
      odd,
    );
    const answer = await ofDatabase("-a=b", "backup");
    await provider.sql(`SET ROLE none; ALTER ROLE postgres RESET role`);
    assert.equal(answer.code, 0, answer.what);
    const [taken] = answer.backups;
    assert.equal(taken?.state, "verified");
    assert.match(taken.left?.join() ?? "", /server - far away/);
    assert.doesNotMatch(taken.left?.join() ?? "", /kept_of ours/);
    await provider.sql('DROP DATABASE "-a=b" WITH (FORCE)', "postgres");
    await provider.sql("DROP TABLESPACE fast");
  });

  it("say what to do where rows or large objects are hidden from the stack's role", async () => {
    await provider.sql("CREATE DATABASE hidden OWNER tenant");
    await provider.sql(
      `CREATE SCHEMA another; CREATE TABLE another.t (n int); GRANT SELECT ON another.t TO tenant`,
      "hidden",
    );
    const without = await ofDatabase("hidden", "backup");
    assert.match(without.remedy, /GRANT USAGE ON SCHEMA/);
    await provider.sql(
      `DROP SCHEMA another CASCADE; SET ROLE tenant; CREATE TABLE forced (n int); INSERT INTO forced VALUES (1);
      ALTER TABLE forced ENABLE ROW LEVEL SECURITY; ALTER TABLE forced FORCE ROW LEVEL SECURITY`,
      "hidden",
    );
    const filtered = await ofDatabase("hidden", "backup");
    assert.equal(filtered.code, 1);
    assert.match(filtered.what, /row-level security policy for table "forced"/);
    assert.match(filtered.remedy, /BYPASSRLS/);
    await provider.sql("DROP TABLE forced; SELECT lo_from_bytea(0, 'x')", "hidden");
    const large = await ofDatabase("hidden", "backup");
    assert.match(large.what, /permission denied for large object/);
    assert.match(large.remedy, /GRANT SELECT ON LARGE OBJECT/);
    const asTenant = async (change: string, expected: RegExp, remedy: RegExp): Promise<void> => {
      await provider.sql(`ALTER ROLE tenant ${change}`);
      const answer = await ofDatabase("hidden", "backup");
      await provider.sql("ALTER ROLE tenant CONNECTION LIMIT -1 PASSWORD 'test'");
      // By its own name, and not by the room's end of the way to it.
      assert.match(answer.what, /server at db\.test:5432 failed/);
      assert.match(answer.what, expected);
      assert.match(answer.remedy, remedy);
    };
    await asTenant("CONNECTION LIMIT 1", /too many connections for role/, /two connections/);
    await asTenant("PASSWORD 'other'", /password authentication failed/, /databaseSecretUrl/);
    await provider.sql("DROP DATABASE hidden WITH (FORCE)", "postgres");
    await world.inRoom(`rm -r ${ASIDE}`);
  });

  it("that lack what another role owns there are none: it is said what could not be read", async () => {
    await provider.sql("CREATE TABLE of_another AS SELECT 1 AS n");
    const before = (await dumps()).length;
    const { code, what, remedy } = await world.ask("backup");
    await provider.sql("DROP TABLE of_another");
    assert.equal(code, 1);
    assert.match(what, /permission denied for table of_another/);
    assert.match(remedy, /GRANT SELECT/);
    assert.equal((await dumps()).length, before);
    assert.equal(await world.inRoom("ls -d /backup/*/*.partial 2>/dev/null | wc -l"), "0");
  });

  it("sort otherwise where the room's image does not have the provider's locale, and say so", async () => {
    const script = `
import pathlib
from room import scratch
about = {"bootstrapRole": "p", "encoding": "UTF8", "collate": "xx_YY.UTF-8", "ctype": "xx_YY.UTF-8", "localeProvider": "c", "checksums": True}
try: scratch.make(pathlib.Path("/backup"), {"server": about})
except Exception as error: print(error)
scratch.make(pathlib.Path("/backup"), {"server": about, "external": {}})`;
    const said = await world.inRoom(
      `python3 -c '${script}'; grep -c "lc_messages = .C.UTF-8" /backup/data/postgresql.conf; rm -r /backup/data`,
    );
    // What is of the stack's own server may take its place, and would sort otherwise from then on.
    assert.match(said, /could not be made.*invalid locale name "xx_YY.UTF-8"/s);
    assert.match(said, /the locale xx_YY.UTF-8 is not here; C.UTF-8 sorts instead/);
  });

  it("are refused of a server that is newer than the room's tools, before anything is written", async () => {
    const fake = 'echo "pg_dump (PostgreSQL) 16.9"';
    await world.inRoom(
      `mkdir -p /backup/bin; printf '#!/bin/sh\\n${fake}\\n' > /backup/bin/pg_dump; chmod 755 /backup/bin/pg_dump`,
    );
    const said = await world.inRoom(
      "PATH=/backup/bin:$PATH python3 -m room backup; echo code $?; rm -r /backup/bin",
    );
    assert.match(
      said,
      /PostgreSQL 17 is newer than this room's tools \(16\).*omniai:postgresImage.*\ncode 1$/,
    );
    assert.equal(await world.inRoom("ls -d /backup/*/*.partial 2>/dev/null | wc -l"), "0");
    await world.get("backup");
  });

  describe("are not taken", () => {
    const refused = async (environment: Record<string, string>, expected: RegExp): Promise<void> => {
      const { code, what, remedy } = await world.askWith(environment, "backup");
      assert.equal(code, 1);
      assert.match(what, expected);
      assert.match(remedy, /npm run logs -- offsite/);
    };

    it("of a server whose certificate nobody trusted has signed, or whose name is another", async () => {
      await refused({ PGSSLROOTCERT: "system" }, /certificate verify failed/);
      await refused(provider.variables(ALIAS), /the gate answered 403/);
      await provider.openGate(ALIAS);
      await refused(
        provider.variables(ALIAS),
        /certificate for "db.test" does not match host name "alias.test"/,
      );
    });

    it("by any other way than the gate, which leads to that server alone", async () => {
      const without = { ...provider.variables(), OMNIAI_OFFSITE_PROXY: "" };
      const { code, what } = await world.askWith(without, "backup");
      assert.equal(code, 1);
      assert.match(what, /could not translate host name/);
    });

    it("while the server is away: said and noted, and tried again by itself", async () => {
      await provider.openGate("db.test");
      await docker("stop", "--time", "1", provider.server.name);
      await refused({}, /the gate answered 5\d\d/);
      const { status } = await world.list();
      assert.match(status.problems.join(), /the last run failed .*db\.test/);
      await docker("start", provider.server.name);
      await eventually("the server", 120, async () => (await world.ask("backup")).code === 0);
      assert.deepEqual((await world.list()).status.problems, []);
    });
  });
});
