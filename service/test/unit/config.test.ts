import assert from "node:assert/strict";
import { ConfigError, loadConfig } from "../../src/config.ts";

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

  it("refuses the same port twice", () => {
    assert.equal(problemsOf({ OMNIAI_PORT: "8000", OMNIAI_INTERNAL_PORT: "8000" }).length, 1);
  });
});
