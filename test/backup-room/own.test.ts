/** Whoever has taken over the service's role writes into its database, and the backup room restores what is there: beside the backup key. */
import { strict as assert } from "node:assert";
import { worldAhead } from "../support/backup-room/ahead.ts";
import { docker, worldWithBackups, type Answer, type World } from "../support/backup-room/world.ts";

/** How the files of the attacks in the room begin. */
const HERE = "/backup/was-here";
/** As a superuser it starts a program; as the role by which the room reads the server it gives itself that role. */
const REACH = `CREATE FUNCTION public.reach(what text) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog AS $$ BEGIN
    IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN EXECUTE format('COPY (SELECT 1) TO PROGRAM %L', 'cat > ${HERE}-' || what); END IF;
    IF current_user = 'omniai_backup' THEN
      PERFORM set_config('default_transaction_read_only', 'off', false);
      BEGIN ALTER ROLE omniai_backup PASSWORD 'taken'; EXCEPTION WHEN OTHERS THEN NULL; END;
    END IF; END $$;
  CREATE FUNCTION public.reach(what text, n text) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM public.reach(what); RETURN true; END $$;`;
/** What runs while it is restored. */
const WHILE_MADE = [
  "CREATE TABLE checked (n text CHECK (public.reach('check', n))); INSERT INTO checked VALUES ('x')",
  "CREATE TABLE generated (n text, b boolean GENERATED ALWAYS AS (public.reach('generated', n)) STORED); INSERT INTO generated VALUES ('x')",
  "CREATE DOMAIN d AS text CHECK (public.reach('domain', VALUE)); CREATE TABLE of_domain (n d); INSERT INTO of_domain VALUES ('x')",
  `CREATE DOMAIN first AS text CHECK (public.reach('aggregate', VALUE)); CREATE FUNCTION add(first, text) RETURNS first LANGUAGE sql AS 'SELECT $1';
    CREATE AGGREGATE every (text) (SFUNC = add, STYPE = first, INITCOND = 'x')`,
  `CREATE TYPE pair AS (a text); CREATE FUNCTION to_text(pair) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM public.reach('foreign-key'); RETURN 'x'; END $$;
    CREATE CAST (pair AS text) WITH FUNCTION to_text(pair) AS IMPLICIT; CREATE TABLE whole (n text PRIMARY KEY); INSERT INTO whole VALUES ('x');
    CREATE TABLE part (n pair REFERENCES whole); INSERT INTO part VALUES ('(x)')`,
  "CREATE TABLE indexed (n text); INSERT INTO indexed VALUES ('x'); CREATE INDEX ON indexed ((public.reach('index', n)))",
  `CREATE TABLE triggered (n text); CREATE FUNCTION fire() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM public.reach('trigger'); RETURN NEW; END $$;
    CREATE TRIGGER fire BEFORE INSERT ON triggered FOR EACH ROW EXECUTE FUNCTION fire(); ALTER TABLE triggered ENABLE ALWAYS TRIGGER fire; INSERT INTO triggered VALUES ('x')`,
  "CREATE VIEW seen AS SELECT * FROM triggered WHERE public.reach('view', n); CREATE MATERIALIZED VIEW kept AS SELECT * FROM seen",
].join("; ");
/** What puts something into a superuser's table and function, while they are the loader's with all else, and takes away as much elsewhere. */
const TAMPERED = `CREATE TABLE spare (n text); CREATE INDEX spare_index ON spare (n);
  CREATE FUNCTION tamper() RETURNS int LANGUAGE plpgsql AS $$ BEGIN
    IF current_user LIKE 'omniai_loader%' THEN
      CREATE INDEX ON public.of_first (n) WHERE public.reach('tampered', n); DROP INDEX public.spare_index;
      CREATE OR REPLACE FUNCTION public.op() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $f$ BEGIN PERFORM public.reach('op'); END $f$;
    END IF; RETURN 1; END $$;
  CREATE MATERIALIZED VIEW late AS SELECT tamper();
  CREATE FUNCTION by_op(text) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM public.op(); RETURN true; END $$;
  CREATE TABLE planned_by_op (n text); CREATE INDEX ON planned_by_op (n) WHERE by_op('x')`;
/** What runs while a query of the table is planned, however that was copied. */
const PLANNED =
  "CREATE TABLE planned (n text); CREATE INDEX ON planned (n) WHERE public.reach('planned', 'x')";

describe("what the service's role has put into its database", function () {
  this.timeout(240_000);
  let world: World;
  const ready = worldAhead(worldWithBackups);
  before(async () => {
    world = await ready();
  });
  after(() => world?.remove());
  afterEach(() => world.sql("DROP OWNED BY omniai CASCADE"));

  const asService = (statements: string): Promise<string> =>
    world.sql(`SET ROLE omniai; SET search_path = public; ${statements}`);
  const reached = (): Promise<string> =>
    world.inRoom(`cd /backup; for one in was-here*; do [ ! -e "$one" ] || echo "$one"; done; rm -f ${HERE}*`);

  it("runs nothing in the room when a dump is proved and restored", async () => {
    await world.sql(`CREATE TABLE of_first (n text); INSERT INTO of_first VALUES ('x');
      CREATE FUNCTION op() RETURNS void LANGUAGE plpgsql AS 'BEGIN PERFORM 1; END'`);
    await asService(`${REACH} ${WHILE_MADE}; ${PLANNED}; ${TAMPERED}`);
    const taken = await world.ask("backup", "--kind", "dump");
    const restored = await world.ask("restore", "--id", firstOf(taken), "--keep");
    await world.sql("DROP TABLE of_first; DROP FUNCTION op CASCADE");
    assert.equal(await reached(), "");
    for (const { code, what } of [taken, restored]) assert.equal(code, 0, what);
  });

  it("gets no rights by what runs while a dump is restored, which is refused", async () => {
    await world.sql("CREATE TABLE of_first (n text)");
    await asService(`CREATE FUNCTION give() RETURNS int LANGUAGE plpgsql AS $$ BEGIN
        IF current_user LIKE 'omniai_loader%' THEN GRANT SELECT ON public.of_first TO omniai; END IF; RETURN 1; END $$;
      CREATE MATERIALIZED VIEW late AS SELECT give()`);
    const { code, what } = await world.ask("backup", "--kind", "dump");
    await world.sql("DROP TABLE of_first");
    assert.equal(code, 1);
    assert.match(what, /has given rights that are not in the dump: relation public\.of_first/);
  });

  it("runs nothing in the room when a base backup is proved and restored, and gets nothing of the role that counts", async () => {
    await asService(`${REACH} ${PLANNED}`);
    const taken = await world.ask("backup", "--kind", "base");
    const restored = await world.ask("restore");
    const alone = await world.ask("restore", "--id", firstOf(taken));
    const role = await world.inRoom(
      `PGPASSFILE=/run/secrets/pgpass psql -h postgres -U omniai_backup -d postgres -XqAtc 'SELECT 1' || echo taken`,
    );
    assert.equal(await reached(), "");
    for (const { code, what } of [taken, restored, alone]) assert.equal(code, 0, what);
    assert.equal(role, "1");
  });

  it("runs nothing in the room by a function that fits better than that of the check", async () => {
    await world.sql("CREATE EXTENSION amcheck SCHEMA public");
    await asService(`${REACH} CREATE TABLE t (n int PRIMARY KEY); INSERT INTO t VALUES (1);
      CREATE FUNCTION bt_index_check(index oid, heapallindexed boolean) RETURNS void LANGUAGE sql AS $$ SELECT public.reach('check') $$`);
    const answers = [await world.ask("backup"), await world.ask("restore", "--keep")];
    await world.sql("DROP EXTENSION amcheck");
    assert.equal(await reached(), "");
    for (const { code, what } of answers) assert.equal(code, 0, what);
    const where = "SELECT extnamespace::regnamespace FROM pg_extension WHERE extname = 'amcheck'";
    assert.equal(await world.queryRestored(where), "public");
  });

  it("is named where the check of a base backup finds it damaged, without what a terminal obeys", async () => {
    const changed = (by: number): string =>
      `CREATE OR REPLACE FUNCTION changing(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1 + ${by}'`;
    await asService(`${changed(1)}; CREATE TABLE t (n int); INSERT INTO t VALUES (1);
      CREATE INDEX "of\x1b[2J it" ON t (changing(n)); ${changed(2)}`);
    const { code, what } = await world.ask("backup", "--kind", "base");
    assert.equal(code, 1);
    assert.match(
      what,
      /^The restored data is damaged \(amcheck\).*"omniai\.public\.of \[2J it".*lacks matching index tuple/s,
    );
  });

  it("comes back from a dump with its owners, rights and settings, and with what only a superuser may make", async () => {
    await world.sql(`CREATE ROLE "a role" LOGIN PASSWORD 'x'; CREATE ROLE member ROLE omniai; CREATE SCHEMA theirs AUTHORIZATION "a role";
      SET ROLE "a role"; SET search_path = theirs; CREATE TABLE t (id serial PRIMARY KEY, n int GENERATED ALWAYS AS IDENTITY); INSERT INTO t DEFAULT VALUES;
      CREATE TYPE kind AS ENUM ('a'); CREATE TABLE "a\n--\n-- Name: b"(k kind);
      CREATE FUNCTION "f ""g\n-- h"(kind, text[]) RETURNS int LANGUAGE sql AS 'SELECT 1 AS "--"';
      CREATE AGGREGATE all_of (int) (SFUNC = int4pl, STYPE = int); CREATE OPERATOR === (FUNCTION = int4eq, LEFTARG = int, RIGHTARG = int);
      CREATE STATISTICS stats ON id, n FROM t; CREATE VIEW seen AS SELECT * FROM t; GRANT SELECT ON t TO omniai WITH GRANT OPTION;
      GRANT EXECUTE ON FUNCTION "f ""g\n-- h"(kind, text[]) TO member; REVOKE EXECUTE ON FUNCTION "f ""g\n-- h"(kind, text[]) FROM PUBLIC;
      RESET ROLE; RESET search_path; CREATE TABLE of_first (n int); GRANT USAGE ON SCHEMA theirs TO omniai; SET ROLE omniai; GRANT SELECT ON theirs.t TO member; RESET ROLE;
      SELECT lo_from_bytea(4711, 'x'), lo_from_bytea(4712, 'y'); ALTER LARGE OBJECT 4712 OWNER TO "a role"; GRANT SELECT ON LARGE OBJECT 4711, 4712 TO omniai_backup;
      ALTER SCHEMA public OWNER TO omniai; ALTER DEFAULT PRIVILEGES FOR ROLE omniai GRANT SELECT ON TABLES TO member;
      ALTER DATABASE omniai SET work_mem = '5MB'; ALTER ROLE omniai IN DATABASE omniai SET work_mem = '6MB'; ALTER ROLE "a role" SET search_path = theirs, "$user";
      ALTER ROLE postgres SET work_mem = '7MB'; ALTER ROLE postgres PASSWORD 'y'; GRANT SET ON PARAMETER log_statement TO member WITH GRANT OPTION;
      SET ROLE member; GRANT SET ON PARAMETER log_statement TO omniai; RESET ROLE; GRANT SET ON PARAMETER log_min_messages TO PUBLIC;
      CREATE EXTENSION pg_trgm; SET ROLE "a role"; CREATE FUNCTION theirs.search(text) RETURNS text LANGUAGE sql SET pg_trgm.similarity_threshold = 0.2 AS 'SELECT $1'; RESET ROLE;
      CREATE EXTENSION amcheck; CREATE FUNCTION health(regclass) RETURNS void LANGUAGE sql BEGIN ATOMIC SELECT bt_index_check($1); END;
      COMMENT ON DATABASE omniai IS 'ours'; COMMENT ON SCHEMA public IS 'x'; COMMENT ON EXTENSION pg_stat_statements IS 'y'; COMMENT ON ROLE member IS 'z';
      GRANT EXECUTE ON FUNCTION public.pg_stat_statements_reset TO member; GRANT CONNECT ON DATABASE omniai TO member;
      CREATE FOREIGN DATA WRAPPER far; CREATE SERVER far FOREIGN DATA WRAPPER far OPTIONS (host 'x'); CREATE USER MAPPING FOR omniai SERVER far;
      GRANT USAGE ON FOREIGN SERVER far TO omniai; CREATE FOREIGN TABLE far (n int) SERVER far; CREATE PUBLICATION whole FOR ALL TABLES;
      CREATE FUNCTION event() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN PERFORM 1; END';
      CREATE EVENT TRIGGER event ON ddl_command_end EXECUTE FUNCTION event(); COMMENT ON EVENT TRIGGER event IS 'x'`);
    await asService(
      "CREATE TABLE ours (id serial); CREATE DOMAIN d AS int; CREATE MATERIALIZED VIEW kept AS SELECT 1 AS n",
    );
    const taken = await world.ask("backup", "--kind", "dump");
    const restored = await world.ask("restore", "--id", firstOf(taken), "--keep");
    const large =
      "SELECT string_agg(oid || lomowner::regrole::text || coalesce(lomacl::text, ''), ' ' ORDER BY oid) FROM pg_largeobject_metadata";
    const [live, kept] = [await world.sql(large), await world.queryRestored(large)];
    const before = await docker("exec", world.postgres, "sh", "-c", ofAll("-U postgres"));
    const after = await world.inRoom(
      `set -e; cd /backup/restored; setpriv --pdeathsig KILL pg_ctl -s -D data -o "-c listen_addresses= -c unix_socket_directories=/run/room" -l /tmp/log -w start
      ${ofAll("-U postgres -h /run/room")}; pg_ctl -s -D data -m fast stop`,
    );
    for (const { code, what } of [taken, restored]) assert.equal(code, 0, what);
    assert.equal(after, before);
    assert.equal(kept, live);
  });
});

/** A shell script that writes all of a server but its rows. */
const ofAll = (where: string): string =>
  `(pg_dumpall ${where} --globals-only; pg_dump ${where} --create --schema-only omniai) | grep -vE '^.(un)?restrict '`;

/** The id of what a run has taken. */
function firstOf(answer: Answer): string {
  const last = answer.events.at(-1) as { readonly backups?: readonly { readonly id: string }[] } | undefined;
  return last?.backups?.[0]?.id ?? assert.fail(answer.what);
}
