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
  externalOffsiteConfig,
  externalRedisConfig,
} from "./support/external-config.ts";
import { COMMAND, CONTAINER, record, secretValue, type Recording } from "./support/recorder.ts";

const AUTHORITY = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";

const variablesOf = (of: Recording, name: string): string[] =>
  of.named(CONTAINER, name).inputs["envs"] as string[];

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

  it("is refused with backups of a PostgreSQL that is its provider's to back up, but for dumps off-site", () => {
    const always = refused({ ...externalDatabaseConfig, backups: "always" });
    assert.match(always[0] ?? "", /^backups: .*its provider's; omniai:offsiteBucket beside it/);
    assert.equal(always.length, 1);
    for (const backups of ["auto", "always"])
      assert.deepEqual(refused({ ...externalOffsiteConfig, backups }), []);
    assert.match(
      refused({ ...externalOffsiteConfig, backups: "never" })[0] ?? "",
      /^backups: auto or always/,
    );
    assert.deepEqual(
      refused({ ...externalOffsiteConfig, ...externalRedisConfig, database: "container" }).slice(1),
      [],
    );
  });

  it("is refused with commits that wait for a log that nobody gets, once", () => {
    for (const backups of ["auto", "always"]) {
      const [first = "", ...more] = refused({ ...externalOffsiteConfig, backups, backupSynchronous: true });
      assert.match(first, /^backupSynchronous: false with omniai:database: external/);
      assert.deepEqual(more, []);
    }
  });

  it("asks for no memory of the room for a Redis that it does not copy", () => {
    const small = { backups: "always", redisMemory: 8192 };
    assert.match(refused(small)[0] ?? "", /^backupMemory/);
    assert.deepEqual(refused({ ...small, ...externalRedisConfig }), []);
    const { database, databaseSecretUrl, ...offsite } = externalOffsiteConfig;
    const dumped = { ...offsite, database, databaseSecretUrl, redisMemory: 8192 };
    assert.match(refused(dumped)[0] ?? "", /^backupMemory/, "it copies the stack's Redis beside the dumps");
    assert.deepEqual(refused({ ...externalDatabaseConfig, redisMemory: 8192 }), []);
  });

  it("means a backup room with an external PostgreSQL only where its dumps go off-site", () => {
    const has = (database: "external" | "container", offsiteBucket: string, backups = "auto" as const) =>
      hasBackups("prod", { backups, environment: "", database, offsiteBucket });
    assert.deepEqual(
      [has("external", ""), has("external", "https://s3.example.org/b"), has("container", "")],
      [false, true, true],
    );
    assert.equal(has("external", "https://s3.example.org/b", "never" as never), false);
  });
});

describe("the program, with external servers", () => {
  let program: Recording;
  before(async () => {
    const authorities = { databaseAuthority: AUTHORITY, redisAuthority: AUTHORITY };
    program = await record("prod", { ...externalConfig, ...authorities }, EXTERNAL_SECRETS);
  });
  const variables = variablesOf;

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

describe("the program, with an external PostgreSQL whose dumps go off-site", () => {
  const secrets = [...EXTERNAL_SECRETS, "offsiteSecretKey", "offsiteKey"];
  let program: Recording;
  before(async () => {
    program = await record("prod", { ...externalOffsiteConfig, databaseAuthority: AUTHORITY }, secrets);
  });
  const room = () => program.named(CONTAINER, "omniai-prod-backup").inputs;
  const networksOf = (name: string): string[] =>
    (program.named(CONTAINER, name).inputs["networksAdvanced"] as { name: string }[]).map((one) => one.name);
  const filesOf = async (name: string): Promise<Record<string, string>> =>
    Object.fromEntries(
      (await unpack(secretValue(program.named(COMMAND, name).inputs["stdin"]))).map((one) => [
        one.name,
        one.content,
      ]),
    );

  it("has the room with its volume and its image, and still no PostgreSQL", () => {
    const named = program.resources.map(({ name }) => name);
    // The image that the room is made from, and the one network-wide name that is not PostgreSQL's container.
    assert.deepEqual(
      named.filter((name) => name.includes("postgres")),
      ["omniai-prod-postgres"],
    );
    assert.equal(program.of(CONTAINER).filter(({ name }) => name === "omniai-prod-postgres").length, 0);
    for (const name of ["omniai-prod-backup-data", "omniai-prod-backup", "omniai-prod-offsite"])
      assert.ok(named.includes(name), name);
    const { inputs } = program.named("docker:index/remoteImage:RemoteImage", "omniai-prod-backup");
    assert.ok(
      Object.values(inputs["triggers"] as object).every((one) => one !== undefined),
      "it follows its base",
    );
  });

  it("tells the room where the server is, and that it is reached by TLS that is verified", () => {
    const told = room()["envs"] as string[];
    for (const one of [
      ...["PGHOST=db.example.org", "PGPORT=6432", "PGUSER=tenant", "OMNIAI_EXTERNAL_DATABASE=shop"],
      ...["PGSSLMODE=verify-full", "PGSSLROOTCERT=/run/secrets/postgres-authority.pem"],
      "OMNIAI_OFFSITE_PROXY=http://offsite:8888",
    ])
      assert.ok(told.includes(one), one);
    // It would lead every program of the room to the provider, those for its scratch server as well.
    assert.deepEqual(
      told.filter((one) => /^PG(HOSTADDR|DATABASE|SERVICE)/.test(one)),
      [],
    );
    assert.doesNotMatch(JSON.stringify(room()), /canary/);
  });

  it("hands the password over in libpq's own spelling, and the authority", async () => {
    const files = await filesOf("omniai-prod-backup-files");
    assert.equal(files["pgpass"], "*:*:*:tenant:canary-p@ss\n");
    assert.equal(files["postgres-authority.pem"], AUTHORITY);
    const odd = await record(
      "prod",
      { ...externalOffsiteConfig, databaseSecretUrl: "postgres://te%3Anant:a%3Ab%5Cc@db.example.org/shop" },
      secrets,
    );
    const { inputs } = odd.named(COMMAND, "omniai-prod-backup-files");
    const found = await unpack(secretValue(inputs["stdin"]));
    assert.equal(found.find(({ name }) => name === "pgpass")?.content, "*:*:*:te\\:nant:a\\:b\\\\c\n");
    const told = odd.named(CONTAINER, "omniai-prod-backup").inputs["envs"] as string[];
    assert.ok(told.includes("PGSSLROOTCERT=system"), "Mozilla's list, as Node's");
  });

  it("gives the room no way out but the gate, which leads to the bucket and to that server alone", async () => {
    assert.ok(!networksOf("omniai-prod-backup").some((name) => /app|offsite|public/.test(name)));
    assert.ok(networksOf("omniai-prod-offsite").includes("omniai-prod-offsite"));
    const { filter = "", "tinyproxy.conf": conf = "" } = await filesOf("omniai-prod-offsite-files");
    const lets = (asked: string): boolean =>
      filter
        .trim()
        .split("\n")
        .some((line) => new RegExp(line, "i").test(asked));
    assert.deepEqual(
      ["s3.example.org:443", "db.example.org:6432", "db.example.org:443", "dbxexample.org:6432"].map(lets),
      [true, true, false, false],
    );
    assert.deepEqual(conf.match(/ConnectPort \d+/g), ["ConnectPort 443", "ConnectPort 6432"]);
  });

  it("asks the replicas for nothing that only a server of the stack's own has", () => {
    const told = variablesOf(program, "omniai-prod-backend-1");
    assert.ok(told.some((one) => one.includes("http://backup:9470/status")));
    assert.deepEqual(Object.keys(program.outputs["containers"] as object).slice(0, 3), [
      "redis",
      "backup",
      "offsite",
    ]);
  });

  it("copies a Redis of the stack's own beside", () => {
    assert.ok((room()["envs"] as string[]).includes("OMNIAI_REDIS_HOST=redis"));
  });
});
