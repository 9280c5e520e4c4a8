/**
 * What the program plans for the service, read by the service's own reader: a name that it does not know, a value that
 * it refuses, or a secret's file that nobody writes would otherwise show at a deploy.
 */
import { strict as assert } from "node:assert";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { ConfigError, loadConfig, type Config } from "../../service/src/platform/env/config.ts";
import { startDelayMs } from "../../service/src/platform/env/start-delay.ts";
import { BUILD_VARIABLE } from "../components/backend/image.ts";
import { configSchema } from "../config/schema.ts";
import { unpack } from "./support/archive.ts";
import { EXTERNAL_SECRETS, externalConfig } from "./support/external-config.ts";
import { COMMAND, CONTAINER, record, secretValue, type Recording } from "./support/recorder.ts";
import { ownerValues, stackFile } from "./support/stack-file.ts";
import { SECRETS } from "./support/tunnel-config.ts";

type Environment = Record<string, string>;

const SECRETS_FOLDER = "/run/secrets";
const REPOSITORY = join(import.meta.dirname, "../..");

/** Every number of the config at one end of what it may be. Two ports must not be the same. */
const ends = (end: "minValue" | "maxValue"): Record<string, number> => ({
  ...Object.fromEntries(
    Object.entries(configSchema.shape).flatMap(([key, schema]) =>
      schema instanceof z.ZodNumber ? [[key, Number(schema[end])]] : [],
    ),
  ),
  httpsPort: 8443,
});

const PROVIDERS = [
  { name: "open", baseUrl: "http://127.0.0.1:11434/v1" },
  { name: "with.key", baseUrl: "https://api.example.com/v1/", apiKey: "canary-key" },
];

/** A certificate that can be read as one. */
const CERTIFICATE = readFileSync(join(import.meta.dirname, "support/certificate.pem"), "utf8");
const authorities = { databaseAuthority: CERTIFICATE, redisAuthority: CERTIFICATE };

/** What is deployed, by what is special about it. */
const plans: Readonly<Record<string, { stack: string; config: Record<string, unknown> }>> = {
  "a new stack": { stack: "new", config: {} },
  ...Object.fromEntries(
    ["dev", "staging", "prod"].map((stack) => [
      `the file of ${stack}`,
      { stack, config: { ...stackFile(stack), ...ownerValues[stack] } },
    ]),
  ),
  "servers that others run": { stack: "elsewhere", config: { ...externalConfig, ...authorities } },
  "web push": {
    stack: "pushing",
    config: {
      webPush: true,
      webPushContact: "mailto:ops@example.org",
      authMode: "session",
      monitoring: "always",
    },
  },
  "every number at its least": { stack: "least", config: { ...ends("minValue"), authMode: "session" } },
  "every number at its most, pages and providers": {
    stack: "most",
    config: {
      ...ends("maxValue"),
      authMode: "token",
      providers: PROVIDERS,
      pageSite: "same-site",
      corsOrigins: ["https://app.example.org", "http://localhost:3000"],
    },
  },
};

/**
 * The OMNIAI_ names that the oldest image knows to which a rollback may go back; it refuses to start with any other. A name
 * that is newer is not added here: the program leaves it out for an image that it did not build.
 */
const oldNames = new Set(
  (
    "ACCESS_SECONDS APPEND_DEADLINE_SECONDS AUDIT_CLEANUP_SECONDS AUDIT_DAYS AUDIT_MAX_ROWS AUTH_MODE " +
    "AUTH_SECRET_FILE AUTH_SWEEP_SECONDS BACKUP_STATUS_URL BODY_BYTES BODY_LIMIT_BYTES BUILD " +
    "CHECK_DEADLINE_SECONDS CHECK_INTERVAL_SECONDS CLIENT_REPORTS_CLEANUP_SECONDS CLIENT_REPORTS_DAYS " +
    "CLIENT_REPORTS_MAX CLIENT_REPORTS_PER_MINUTE COALESCE_MS COMMIT CORS_ORIGINS DRAIN_SECONDS " +
    "EVENT_LOG_BYTES EVENT_MAX_BYTES EVENT_RETENTION HEARTBEAT_SECONDS HOST INTERNAL_PORT " +
    "LIMIT_BAD_TOKENS_PER_MINUTE LIMIT_LOGINS_PER_ADDRESS LIMIT_LOGINS_PER_USER LIMIT_LOGIN_WINDOW_SECONDS " +
    "LIMIT_REFRESHES_PER_MINUTE LIMIT_REQUESTS_PER_MINUTE LOG_LEVEL MAX_PENDING_APPENDS MAX_READER_LAG " +
    "MAX_STREAMS MAX_STREAMS_PER_ADDRESS MAX_STREAMS_PER_USER OPTIONAL_CHECKS PAGE_SITE POLL_BYTES PORT " +
    "POSTGRES_PASSWORD_FILE POSTGRES_POOL_MAX PROVIDERS READ_BLOCK_SECONDS REDIS_PASSWORD_FILE REDIS_URL " +
    "REDIS_USERNAME REFRESH_SECONDS REPLAY_CACHE_BYTES REPLAY_CACHE_EVENTS SESSION_IDLE_SECONDS " +
    "SESSION_MAX_SECONDS STACK START_DELAY_SECONDS STOP_MARGIN_SECONDS STREAM_BACKLOG_BYTES " +
    "STREAM_CONNECT_BURST STREAM_CONNECT_RATE STREAM_MAX_AGE_SECONDS STREAM_STALL_SECONDS SWITCH_SECONDS " +
    "TRUST_PROXY_HOPS WEDGED_SECONDS"
  ).split(" "),
);

/** What the image itself sets (service/Dockerfile). */
function imageEnvironment(): Environment {
  const text = readFileSync(join(REPOSITORY, "service/Dockerfile"), "utf8").replaceAll("\\\n", " ");
  const lines = [...text.matchAll(/^ENV (.*)$/gm)].flatMap(([, line = ""]) => line.trim().split(/\s+/));
  return Object.fromEntries(lines.map((line) => line.split("=") as [string, string]));
}

describe("the environment that is planned for the service", function () {
  this.timeout(30_000);
  const folder = mkdtempSync(join(tmpdir(), "omniai-secrets-"));
  after(() => rmSync(folder, { recursive: true, force: true }));

  /** The files that the program writes for the backend, where the service can read them here. */
  async function writeSecrets(program: Recording, stack: string): Promise<void> {
    const { inputs } = program.named(COMMAND, `omniai-${stack}-backend-files`);
    for (const { name, type, content } of await unpack(secretValue(inputs["stdin"])))
      if (type === "file") writeFileSync(join(folder, name), content);
  }

  const read = (environment: Environment): Config => {
    const here = JSON.parse(JSON.stringify(environment).replaceAll(SECRETS_FOLDER, folder)) as Environment;
    try {
      return loadConfig(here);
    } catch (error) {
      if (error instanceof ConfigError) assert.fail(error.message);
      throw error;
    }
  };

  for (const [what, { stack, config }] of Object.entries(plans)) {
    it(`is one that the service takes: ${what}`, async () => {
      const program = await record(stack, config, [...SECRETS, ...EXTERNAL_SECRETS, "providers"]);
      await writeSecrets(program, stack);
      const replicas = program
        .of(CONTAINER)
        .filter(({ name }) => name.startsWith(`omniai-${stack}-backend-`));
      assert.ok(replicas.length > 0);
      for (const { name, inputs } of replicas) {
        const volumes = inputs["volumes"] as { containerPath: string }[];
        assert.deepEqual(
          volumes.map(({ containerPath }) => containerPath),
          [SECRETS_FOLDER],
          name,
        );
        const planned = Object.fromEntries(
          (inputs["envs"] as string[]).map((line) => {
            const at = line.indexOf("=");
            return [line.slice(0, at), line.slice(at + 1)];
          }),
        );
        const taken = read({ ...imageEnvironment(), ...planned });
        assert.deepEqual([taken.stack, taken.events.trustProxyHops], [stack, 1]);
        assert.ok(
          taken.postgres.password && taken.redis.password && taken.auth.secret,
          "all secrets are read",
        );
        assert.equal(taken.push.keys !== undefined, config["webPush"] === true);
        assert.equal(startDelayMs(planned), taken.lifecycle.startDelayMs);
        // The engine kills what is still there then; the service ends by itself before.
        const { switchMs, drainMs, marginMs } = taken.lifecycle;
        assert.ok(Number(inputs["destroyGraceSeconds"]) * 1000 > Math.max(switchMs, drainMs) + marginMs);
      }

      const migration = program.named(COMMAND, `omniai-${stack}-backend-migrate`).inputs;
      const all = migration["environment"] as Environment;
      const passed = [...String(migration["create"]).matchAll(/ -e (\w+)/g)].map(([, name = ""]) => name);
      assert.match(String(migration["create"]), new RegExp(`"\\$FILES:${SECRETS_FOLDER}:ro"`));
      const taken = read({
        ...imageEnvironment(),
        ...Object.fromEntries(passed.map((name) => [name, all[name] ?? ""])),
      });
      assert.ok(taken.postgres.password);
      const isElsewhere = config["database"] === "external";
      assert.equal(taken.postgres.sslMode, isElsewhere ? "verify-full" : "disable");
      assert.equal(taken.postgres.authority !== undefined, isElsewhere);
    });
  }

  it("has no name that a version before this one refuses, where a rollback deploys its image", async () => {
    process.env[BUILD_VARIABLE] = "0123456789abcdef";
    try {
      // With all that adds variables: backups, monitoring, traces, a tunnel, many replicas.
      const config = {
        ...{ ...stackFile("prod"), ...ownerValues["prod"], backendReplicas: 8 },
        ...{ otlpEndpoint: "http://collector:4318", monitoring: "always" },
        ...{ webPush: true, webPushContact: "mailto:ops@example.org", authMode: "session" },
      };
      const program = await record("prod", config, SECRETS);
      const names = [
        ...(program.named(CONTAINER, "omniai-prod-backend-1").inputs["envs"] as string[]),
        ...Object.keys(
          program.named(COMMAND, "omniai-prod-backend-migrate").inputs["environment"] as Environment,
        ),
      ]
        .map((line) => /^OMNIAI_(\w+)/.exec(line)?.[1])
        .filter((name) => name !== undefined);
      assert.ok(names.includes("BUILD") && names.includes("BACKUP_STATUS_URL"));
      assert.deepEqual(
        names.filter((name) => !oldNames.has(name)),
        [],
      );
    } finally {
      Reflect.deleteProperty(process.env, BUILD_VARIABLE);
    }
  });

  it("would fail for a name that the service does not know", () => {
    assert.throws(() => read({ OMNIAI_REPLICAS: "2" }), /OMNIAI_REPLICAS/);
  });

  it("chooses among what the service has to choose from", () => {
    const choices = {
      OMNIAI_AUTH_MODE: configSchema.shape.authMode.options,
      OMNIAI_PAGE_SITE: configSchema.shape.pageSite.options,
      OMNIAI_LOG_LEVEL: configSchema.shape.logLevel.options,
    };
    const secret = { OMNIAI_AUTH_SECRET_FILE: join(REPOSITORY, "service/test/support/auth-secret.txt") };
    for (const [name, options] of Object.entries(choices))
      for (const option of options) read({ ...secret, [name]: option });
  });
});
