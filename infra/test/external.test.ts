/** PostgreSQL and Redis that others run: what their addresses may be, what is declared, and what is refused by name. */
import { strict as assert } from "node:assert";
import fc from "fast-check";
import { hasBackups } from "../components/backup/config.ts";
import { parseRedisUrl } from "../components/cache/url.ts";
import { parseDatabaseUrl } from "../components/database/url.ts";
import { ConfigError, findProblems } from "../config/problems.ts";
import { isSecretName } from "../config/secrets.ts";
import { defaults } from "./defaults.ts";
import { unpack } from "./support/archive.ts";
import {
  EXTERNAL_SECRETS,
  externalConfig,
  externalDatabaseConfig,
  externalRedisConfig,
} from "./support/external-config.ts";
import { COMMAND, CONTAINER, record, secretValue, type Recording } from "./support/recorder.ts";

const AUTHORITY = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";

describe("the address of an external PostgreSQL", () => {
  it("is one host, with user, password and database, decoded", () => {
    assert.deepEqual(parseDatabaseUrl(externalDatabaseConfig.databaseSecretUrl), {
      host: "db.example.org",
      port: 6432,
      user: "tenant",
      password: "canary-p@ss",
      database: "shop",
    });
    assert.equal(parseDatabaseUrl("postgresql://u:p@[2001:db8::1]/d")?.host, "2001:db8::1");
    assert.equal(parseDatabaseUrl("postgres://u:p@h/d")?.port, 5432);
  });

  for (const [what, url] of Object.entries({
    "TLS that nobody checks": "postgres://u:p@h/d?sslmode=require",
    "no TLS": "postgres://u:p@h/d?sslmode=disable",
    "TLS where the server likes": "postgres://u:p@h/d?sslmode=prefer",
    "a certificate without its name": "postgres://u:p@h/d?sslmode=verify-ca",
    "a parameter that nobody reads": "postgres://u:p@h/d?channel_binding=require",
    "several hosts": "postgres://u:p@one:5432,two:5432/d",
    "no password": "postgres://u@h/d",
    "no user": "postgres://:p@h/d",
    "no database": "postgres://u:p@h/",
    "another protocol": "mysql://u:p@h/d",
    "a percent sign that begins nothing": "postgres://u:p%zz@h/d",
    "a line end": "postgres://u:p%0a@h/d",
    "no address": "db.example.org",
  }))
    it(`is not one with ${what}`, () => assert.equal(parseDatabaseUrl(url), undefined));

  it("gives back any user, password and database that were percent-encoded into it", () => {
    const word = fc.string({ minLength: 1, unit: "grapheme" }).filter((text) => !/[\p{Cc}\s/]/u.test(text));
    fc.assert(
      fc.property(word, word, word, (user, password, database) => {
        const [u, p, d] = [user, password, database].map((part) =>
          // URL takes these for steps through folders.
          encodeURIComponent(part).replaceAll(".", "%2E"),
        );
        fc.pre(!/^\.{1,2}$/.test(database));
        const parsed = parseDatabaseUrl(`postgres://${u}:${p}@h/${d}`);
        assert.deepEqual([parsed?.user, parsed?.password, parsed?.database], [user, password, database]);
      }),
    );
  });
});

describe("the address of an external Redis", () => {
  it("is one host with a password, and a user or none", () => {
    assert.deepEqual(parseRedisUrl(externalRedisConfig.redisSecretUrl), {
      host: "cache.example.org",
      port: 6380,
      user: "default",
      password: "canary-redis/pass",
    });
    assert.deepEqual(parseRedisUrl("rediss://:p@h"), { host: "h", port: 6379, user: "", password: "p" });
  });

  for (const url of [
    "redis://:p@h",
    "rediss://h",
    "rediss://u@h",
    "rediss://:p@h/1",
    "rediss://:p@h?family=6",
    "rediss://:p@one:1,two:2",
  ])
    it(`is not ${url}`, () => assert.equal(parseRedisUrl(url), undefined));
});

describe("the config of external servers", () => {
  const problemsOf = (change: Readonly<Record<string, unknown>>) =>
    findProblems({ ...defaults, ...change }, { isEncrypted: () => true }).problems;
  const refused = (change: Readonly<Record<string, unknown>>): string[] =>
    problemsOf(change).map(({ key, allowed }) => `${key}: ${allowed}`);

  it("is accepted with encrypted addresses, with and without authorities", () => {
    assert.deepEqual(refused(externalConfig), []);
    assert.deepEqual(
      refused({ ...externalConfig, databaseAuthority: AUTHORITY, redisAuthority: AUTHORITY.repeat(2) }),
      [],
    );
  });

  it("has its addresses encrypted, and shows them in no message", () => {
    for (const key of EXTERNAL_SECRETS) assert.ok(isSecretName(key), key);
    const { problems } = findProblems({ ...defaults, ...externalConfig });
    assert.deepEqual(problems.map(({ key }) => key).sort(), [...EXTERNAL_SECRETS].sort());
    const unverified = problemsOf({
      ...externalConfig,
      databaseSecretUrl: "postgres://u:canary@h/d?sslmode=require",
      redisSecretUrl: "redis://:canary@h",
    });
    const { message } = new ConfigError("prod", unverified);
    assert.match(
      message,
      /omniai:databaseSecretUrl is \[not shown\]; allowed: .*require do not check who answers/,
    );
    assert.match(message, /omniai:redisSecretUrl is \[not shown\]; allowed: .*TLS, so not redis:\/\//);
    assert.doesNotMatch(message, /canary/);
  });

  it("says nothing of an address that is encrypted and not known here", () => {
    const { databaseSecretUrl: _, redisSecretUrl: __, ...open } = { ...defaults, ...externalConfig };
    assert.deepEqual(findProblems(open, { hidden: new Set(EXTERNAL_SECRETS) }).problems, []);
  });

  it("is refused without an address, and an address or authority without it", () => {
    assert.match(refused({ database: "external" })[0] ?? "", /^databaseSecretUrl: the address of the server/);
    assert.match(refused({ redis: "external" })[0] ?? "", /^redisSecretUrl: the address of the server/);
    for (const [key, value] of Object.entries({
      databaseSecretUrl: externalConfig.databaseSecretUrl,
      redisSecretUrl: externalConfig.redisSecretUrl,
      databaseAuthority: AUTHORITY,
      redisAuthority: AUTHORITY,
    }))
      assert.match(refused({ [key]: value })[0] ?? "", new RegExp(`^${key}: empty, or omniai:`));
  });

  it("is refused with backups of a PostgreSQL that is its provider's to back up", () => {
    const why = /its provider's/;
    assert.match(refused({ ...externalDatabaseConfig, backups: "always" })[0] ?? "", why);
    const offsite = {
      offsiteBucket: "https://s3.example.org/bucket",
      ...{ offsiteAccessKeyId: "id", offsiteSecretKey: "canary", offsiteKey: "canary" },
    };
    assert.match(
      refused({ ...externalDatabaseConfig, ...offsite })[0] ?? "",
      /^offsiteBucket: empty with .*its provider's/,
    );
    assert.deepEqual(refused({ ...externalRedisConfig, backups: "always", ...offsite }), []);
  });

  it("asks for no memory of the room for a Redis that it does not copy", () => {
    const small = { backups: "always", redisMemory: 8192 };
    assert.match(refused(small)[0] ?? "", /^backupMemory/);
    assert.deepEqual(refused({ ...small, ...externalRedisConfig }), []);
  });

  it("means no backup room with an external PostgreSQL", () => {
    assert.equal(hasBackups("prod", { backups: "auto", environment: "", database: "external" }), false);
    assert.equal(hasBackups("prod", { backups: "auto", environment: "", database: "container" }), true);
  });
});

describe("the program, with external servers", () => {
  let program: Recording;
  before(async () => {
    const authorities = { databaseAuthority: AUTHORITY, redisAuthority: AUTHORITY };
    program = await record("prod", { ...externalConfig, ...authorities }, EXTERNAL_SECRETS);
  });
  const variables = (of: Recording, name: string): string[] =>
    of.named(CONTAINER, name).inputs["envs"] as string[];

  it("declares nothing of them and no backup room: no container, volume, password or script", () => {
    const named = program.resources.map(({ name }) => name);
    assert.deepEqual(
      named.filter((name) => /postgres|redis|backup/.test(name)),
      [],
    );
    assert.ok(named.includes("omniai-prod-backend-1") && named.includes("omniai-prod-edge"));
  });

  it("tells the service where they are, and that they are reached by TLS that is verified", () => {
    const told = variables(program, "omniai-prod-backend-1");
    for (const one of [
      ...["PGHOST=db.example.org", "PGPORT=6432", "PGUSER=tenant", "PGDATABASE=shop"],
      ...["PGSSLMODE=verify-full", "PGSSLROOTCERT=/run/secrets/postgres-authority.pem"],
      "OMNIAI_REDIS_URL=rediss://cache.example.org:6380",
      "OMNIAI_REDIS_USERNAME=default",
      "OMNIAI_REDIS_AUTHORITY_FILE=/run/secrets/redis-authority.pem",
    ])
      assert.ok(told.includes(one), one);
  });

  it("hands their passwords and authorities over as files, and shows a password nowhere", async () => {
    const { inputs } = program.named(COMMAND, "omniai-prod-backend-files");
    const files = Object.fromEntries(
      (await unpack(secretValue(inputs["stdin"]))).map(({ name, content }) => [name, content]),
    );
    assert.equal(files["postgres-password"], "canary-p@ss");
    assert.equal(files["redis-password"], "canary-redis/pass");
    assert.deepEqual([files["postgres-authority.pem"], files["redis-authority.pem"]], [AUTHORITY, AUTHORITY]);
    for (const { name, inputs: all } of program.resources) {
      const { stdin: _, ...visible } = all;
      assert.doesNotMatch(JSON.stringify(visible), /canary-p|canary-redis/, name);
    }
    assert.doesNotMatch(JSON.stringify(program.outputs), /canary-p|canary-redis/);
  });

  it("migrates on the replicas' network, which has a way out, and again for another database alone", async () => {
    const triggersOf = (recording: Recording): unknown =>
      recording.named(COMMAND, "omniai-prod-backend-migrate").inputs["triggers"];
    const { environment, create } = program.named(COMMAND, "omniai-prod-backend-migrate").inputs;
    const given = environment as Record<string, string>;
    assert.deepEqual([given["NETWORK"], given["PGSSLMODE"]], ["omniai-prod-app", "verify-full"]);
    for (const name of ["PGHOST", "PGSSLMODE", "PGSSLROOTCERT"])
      assert.match(String(create), new RegExp(` -e ${name}\\b`));
    const withUrl = (databaseSecretUrl: string): Promise<Recording> =>
      record("prod", { ...externalConfig, databaseSecretUrl }, EXTERNAL_SECRETS);
    const url = externalConfig.databaseSecretUrl;
    assert.deepEqual(triggersOf(await withUrl(url.replace("canary-p%40ss", "another"))), triggersOf(program));
    assert.notDeepEqual(triggersOf(await withUrl(url.replace("/shop", "/other"))), triggersOf(program));
  });

  it("keeps the data network without a way out", () => {
    const { inputs } = program.named("docker:index/network:Network", "omniai-prod-data");
    assert.equal(inputs["internal"], true);
  });

  it("says in its outputs only what there is, and watches only that", () => {
    assert.deepEqual(Object.keys(program.outputs["containers"] as object).slice(0, 2), ["backend", "edge"]);
    const targets = secretValue(program.named(COMMAND, "omniai-prod-targets").inputs["stdin"]);
    assert.doesNotMatch(Buffer.from(targets, "base64").toString(), /postgres|redis/);
  });

  it("leaves out the authority where the config gives none, and a user where the address has none", async () => {
    const bare = await record(
      "prod",
      { ...externalConfig, redisSecretUrl: "rediss://:canary-redis@cache.example.org:6380" },
      EXTERNAL_SECRETS,
    );
    const told = variables(bare, "omniai-prod-backend-1");
    assert.deepEqual(
      told.filter((one) => /AUTHORITY|ROOTCERT/.test(one)),
      [],
    );
    assert.ok(told.includes("PGSSLMODE=verify-full") && told.includes("OMNIAI_REDIS_USERNAME="));
  });

  it("keeps the backup room for a PostgreSQL of the stack, without copies of a Redis that others run", async () => {
    const mixed = await record("prod", externalRedisConfig, EXTERNAL_SECRETS);
    const room = variables(mixed, "omniai-prod-backup");
    assert.ok(room.includes("PGHOST=postgres"));
    assert.deepEqual(
      room.filter((one) => one.startsWith("OMNIAI_REDIS")),
      [],
    );
    assert.equal(mixed.resources.filter(({ name }) => name.includes("redis")).length, 0);
    assert.ok(variables(mixed, "omniai-prod-backend-1").includes("PGHOST=postgres"));
  });
});
