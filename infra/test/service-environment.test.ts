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
import { configSchema } from "../config/schema.ts";
import { unpack } from "./support/archive.ts";
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

/** What is deployed, by what is special about it. */
const plans: Readonly<Record<string, { stack: string; config: Record<string, unknown> }>> = {
  "a new stack": { stack: "new", config: {} },
  ...Object.fromEntries(
    ["dev", "staging", "prod"].map((stack) => [
      `the file of ${stack}`,
      { stack, config: { ...stackFile(stack), ...ownerValues[stack] } },
    ]),
  ),
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
      const program = await record(stack, config, [...SECRETS, "providers"]);
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
    });
  }

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
