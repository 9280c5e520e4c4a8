/** The service's environment: what is taken, refused and kept from it. */
import { strict as assert } from "node:assert";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { isToolName, replicaEnvironment, TOOL_NAMES } from "../../dev/environment.ts";
import { ConfigError, loadConfig, VARIABLE_NAMES } from "../../src/platform/env/config.ts";
import {
  MAX_START_DELAY_SECONDS,
  START_DELAY_NAME,
  startDelayMs,
} from "../../src/platform/env/start-delay.ts";

function problemsOf(environment: Record<string, string>): readonly string[] {
  try {
    loadConfig(environment);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe("loadConfig", () => {
  it("needs nothing", () => {
    const config = loadConfig({});
    assert.equal(config.port, 8000);
    assert.equal(config.internalPort, 9000);
    assert.equal(config.host, "127.0.0.1");
    assert.equal(config.lifecycle.switchMs, 6000);
    assert.equal(config.events.retention, 100_000);
    assert.deepEqual(config.corsOrigins, []);
  });

  it("takes an empty variable for an absent one", () => {
    assert.equal(loadConfig({ OMNIAI_PORT: "" }).port, 8000);
  });

  it("names each wrong variable, its value and what is allowed, all at once", () => {
    const problems = problemsOf({
      OMNIAI_PORT: "eighty",
      OMNIAI_LOG_LEVEL: "loud",
      OMNIAI_EVENT_RETENTION: "-1",
    });
    assert.equal(problems.length, 3);
    assert.ok(
      problems.includes('OMNIAI_PORT: "eighty" is not allowed; allowed is a whole number from 0 to 65535'),
    );
    assert.match(problems.join("\n"), /OMNIAI_LOG_LEVEL: "loud" .*one of fatal, error/);
  });

  it("takes exact origins only", () => {
    assert.deepEqual(
      loadConfig({ OMNIAI_CORS_ORIGINS: "https://a.github.io, http://localhost:8080" }).corsOrigins,
      ["https://a.github.io", "http://localhost:8080"],
    );
    for (const bad of [
      "*",
      "https://a.github.io/",
      "a.github.io",
      "https://*.github.io",
      "null",
      "https://a.github.io/x",
    ]) {
      assert.equal(problemsOf({ OMNIAI_CORS_ORIGINS: bad }).length, 1, bad);
    }
  });

  it("refuses a password in the URL without showing it", () => {
    const [problem = ""] = problemsOf({ OMNIAI_REDIS_URL: "redis://me:hunter2@redis:6379" });
    assert.match(problem, /OMNIAI_REDIS_URL/);
    assert.doesNotMatch(problem, /hunter2/);
  });

  it("takes TLS that is checked, or none, and nothing between", () => {
    assert.equal(loadConfig({}).postgres.sslMode, "disable");
    assert.equal(loadConfig({ PGSSLMODE: "verify-full", PGSSLROOTCERT: "" }).postgres.sslMode, "verify-full");
    for (const PGSSLMODE of ["require", "prefer", "verify-ca"])
      assert.match(
        problemsOf({ PGSSLMODE })[0] ?? "",
        /^PGSSLMODE: .*allowed is one of disable, verify-full$/,
      );
    const { url, authority } = loadConfig({ OMNIAI_REDIS_URL: "rediss://redis.example.org:6380" }).redis;
    assert.deepEqual([url, authority], ["rediss://redis.example.org:6380", undefined]);
  });

  it("names a file of certificates that has none, and takes one that has", () => {
    const folder = join(import.meta.dirname, "../../../infra/test/support");
    const names = ["PGSSLROOTCERT", "OMNIAI_REDIS_AUTHORITY_FILE"];
    for (const name of names) {
      assert.deepEqual(problemsOf({ [name]: join(folder, "certificate.pem") }), []);
      assert.match(
        problemsOf({ [name]: join(folder, "recorder.ts") })[0] ?? "",
        new RegExp(
          `^${name}: the file .*recorder\\.ts has no certificate in PEM; allowed is a readable file`,
        ),
      );
      assert.match(
        problemsOf({ [name]: "/nowhere" })[0] ?? "",
        /cannot be read \(ENOENT\); allowed is .*PEM$/,
      );
    }
  });

  it("names a secret's file that cannot be read", () => {
    assert.match(
      problemsOf({ OMNIAI_POSTGRES_PASSWORD_FILE: "/nowhere/password" })[0] ?? "",
      /OMNIAI_POSTGRES_PASSWORD_FILE: \/nowhere\/password cannot be read \(ENOENT\)/,
    );
  });

  it("takes providers as a JSON list, with their keys as files, and shows neither", () => {
    const keyFile = new URL("../support/password.txt", import.meta.url).pathname;
    const list = [{ name: "openai", baseUrl: "https://api.example.com/v1/", apiKeyFile: keyFile }];
    assert.deepEqual(loadConfig({ OMNIAI_PROVIDERS: JSON.stringify(list) }).providers, [
      { name: "openai", baseUrl: "https://api.example.com/v1", apiKey: "test" },
    ]);
    const bad: unknown[] = [
      "not json",
      {},
      [{ name: "a" }],
      [{ name: "a", baseUrl: "file:///etc/passwd" }],
      [{ name: "a", baseUrl: "https://me:hunter2@example.com" }],
      [{ name: "a", baseUrl: "https://example.com", apiKey: "hunter2" }],
      [...list, ...list],
    ];
    for (const value of bad) {
      const text = typeof value === "string" ? value : JSON.stringify(value);
      const [problem = ""] = problemsOf({ OMNIAI_PROVIDERS: text });
      assert.match(problem, /^OMNIAI_PROVIDERS: .*not shown/, text);
      assert.doesNotMatch(problem, /hunter2/);
    }
    assert.match(
      problemsOf({ OMNIAI_PROVIDERS: JSON.stringify([{ ...list[0], apiKeyFile: "/nowhere" }]) })[0] ?? "",
      /\/nowhere cannot be read \(ENOENT\)/,
    );
  });

  it("refuses the same port twice, also beside another problem", () => {
    const same = { OMNIAI_PORT: "8000", OMNIAI_INTERNAL_PORT: "8000" };
    const problem = "OMNIAI_INTERNAL_PORT: OMNIAI_PORT's value is not allowed; allowed is another port";
    assert.deepEqual(problemsOf(same), [problem]);
    const both = problemsOf({ ...same, OMNIAI_LOG_LEVEL: "loud" });
    assert.equal(both.length, 2);
    assert.ok(both.includes(problem));
  });

  it("refuses a budget of bodies in which the longest body of one address never fits", () => {
    const longest = { OMNIAI_BODY_LIMIT_BYTES: "4000000" };
    assert.deepEqual(problemsOf({ ...longest, OMNIAI_PORT: "eighty" }), [
      'OMNIAI_PORT: "eighty" is not allowed; allowed is a whole number from 0 to 65535',
      "OMNIAI_BODY_BYTES: the value is not allowed; allowed is at least twice OMNIAI_BODY_LIMIT_BYTES, because one address gets half of it",
    ]);
    assert.equal(loadConfig({ ...longest, OMNIAI_BODY_BYTES: "8000000" }).bodyBytes, 8_000_000);
  });

  it("refuses names that it does not know, with the nearest that it does, beside all wrong values", () => {
    const problems = problemsOf({
      OMNIAI_CORS_ORIGNS: "https://a.github.io",
      OMNIAI_SWITCHSECONDS: "",
      OMNIAI_PORT: "eighty",
      PATH: "/bin",
      OMNIA: "no name of ours",
    });
    assert.equal(problems.length, 3, problems.join("\n"));
    assert.match(problems[0] ?? "", /^OMNIAI_CORS_ORIGNS: .*did you mean OMNIAI_CORS_ORIGINS\?/);
    assert.match(problems[1] ?? "", /^OMNIAI_SWITCHSECONDS: .*did you mean OMNIAI_SWITCH_SECONDS\?/);
    assert.match(problems[2] ?? "", /^OMNIAI_PORT: "eighty"/);
  });

  it("suggests no name for one that is like none", () => {
    for (const name of ["OMNIAI_CACHE", "OMNIAI_E2E", "OMNIAI_REPLICAS"])
      assert.deepEqual(problemsOf({ [name]: "x" }), [
        `${name}: the service does not know this name. Correct the name, or remove the variable`,
      ]);
    assert.match(problemsOf({ OMNIAI_PROT: "1" })[0] ?? "", /did you mean OMNIAI_PORT\?/);
  });

  it("has one variable for each value", () => {
    assert.equal(new Set(VARIABLE_NAMES).size, VARIABLE_NAMES.length);
    assert.ok(VARIABLE_NAMES.length > 50);
  });

  it("waits for a turn as long as main.ts does, and refuses what main.ts does not wait for", () => {
    for (const seconds of ["0", "1.2", String(MAX_START_DELAY_SECONDS)]) {
      const environment = { [START_DELAY_NAME]: seconds };
      assert.equal(startDelayMs(environment), loadConfig(environment).lifecycle.startDelayMs);
    }
    for (const bad of ["soon", "-1", String(MAX_START_DELAY_SECONDS + 1)]) {
      assert.equal(startDelayMs({ [START_DELAY_NAME]: bad }), 0);
      assert.equal(problemsOf({ [START_DELAY_NAME]: bad }).length, 1);
    }
    assert.equal(startDelayMs({}), 0);
  });

  it("has the defaults that healthcheck.mjs, which loads nothing, has written down again", () => {
    const source = readFileSync(new URL("../../healthcheck.mjs", import.meta.url), "utf8");
    const [, name = "", port] = /process\.env\.(\w+) \|\| (\d+)/.exec(source) ?? [];
    assert.ok(VARIABLE_NAMES.includes(name));
    assert.equal(loadConfig({}).internalPort, Number(port));
  });
});

describe("replicaEnvironment", () => {
  const repository = new URL("../../../", import.meta.url).pathname;

  /** The names in the project's code, outside of the service's own sources and of tests. */
  function namesOutside(): Set<string> {
    const folders = [
      "bench",
      "frontend",
      "infra",
      "ops",
      "policies",
      "test",
      "tools",
      "service/dev",
      ".github",
    ];
    const names = new Set<string>();
    for (const folder of folders) {
      for (const entry of readdirSync(join(repository, folder), { recursive: true, withFileTypes: true })) {
        const path = join(entry.parentPath, entry.name);
        // Tests name what does not exist, too.
        if (!entry.isFile() || /(^|\/)(node_modules|test)\//.test(path.slice(repository.length))) continue;
        // These rooms are programs of their own: their settings are nowhere but in their containers.
        if (/\/infra\/components\/(backup|certificates|offsite)\//.test(path)) continue;
        const text = readFileSync(path, "utf8");
        for (const [name] of text.matchAll(/\bOMNIAI_[A-Z0-9_]*[A-Z0-9]\b/g)) names.add(name);
      }
    }
    return names;
  }

  it("keeps every name from the replica that belongs to another part of the project, and no other", () => {
    const names = [...namesOutside()];
    assert.ok(names.length > 40, `only ${names.length} names found`);
    for (const name of names) assert.ok(isToolName(name) !== VARIABLE_NAMES.includes(name), name);
    for (const name of TOOL_NAMES) assert.ok(names.includes(name), `${name} is read nowhere`);
    const kept = replicaEnvironment(
      Object.fromEntries([...names, "PATH", "OMNIAI_PROT"].map((name) => [name, "1"])),
    );
    assert.deepEqual(
      Object.keys(kept).filter((name) => !VARIABLE_NAMES.includes(name)),
      ["PATH", "OMNIAI_PROT"],
    );
  });
});
