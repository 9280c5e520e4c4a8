import assert from "node:assert/strict";
import { ConfigError, configSchema, parseConfig } from "../config.ts";
import { defaults, project } from "./defaults.ts";

const parse = (change: Record<string, unknown>) => parseConfig("dev", { ...defaults, ...change });

function problemsOf(change: Record<string, unknown>): ConfigError {
  try {
    parse(change);
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  return assert.fail(`accepted ${JSON.stringify(change)}`);
}

describe("the config", () => {
  it("accepts the defaults of Pulumi.yaml, so the dev stack asks for nothing", () => {
    assert.equal(parse({}).backendReplicas, 2);
  });

  it("declares in Pulumi.yaml exactly the keys that the program reads, each with type, default and description", () => {
    assert.deepEqual(Object.keys(project.config).sort(), Object.keys(configSchema.shape).sort());
    for (const [key, { type, default: value, description }] of Object.entries(project.config)) {
      assert.ok(["string", "integer", "boolean", "array"].includes(type), key);
      assert.notEqual(value, undefined, key);
      assert.ok((description ?? "").length > 20, key);
    }
  });

  it("names the key, the value and what is allowed, for every problem at once", () => {
    const error = problemsOf({ httpPort: 70_000, backendReplicas: "two", nginxImage: "nginx:latest" });
    assert.deepEqual(error.problems.map(({ key }) => key).sort(), [
      "backendReplicas",
      "httpPort",
      "nginxImage",
    ]);
    assert.match(error.message, /omniai:httpPort is 70000; allowed: a whole number from 1 to 65535/);
    assert.match(error.message, /omniai:backendReplicas is "two"/);
    assert.match(error.message, /pulumi config set omniai:httpPort VALUE --stack dev/);
    assert.match(error.message, /nothing was touched/);
  });

  const wrong: [string, unknown][] = [
    ["httpPort", 0],
    ["httpPort", 8080.5],
    ["backendReplicas", 17],
    ["backendCpus", "0"],
    ["backendCpus", "a lot"],
    ["backendCpus", "0.0001"],
    ["bindAddress", "localhost"],
    ["corsOrigins", ["https://owner.github.io/page"]],
    ["corsOrigins", ["*"]],
    ["certificateHosts", []],
    ["certificateHosts", ["two words"]],
    ["postgresImage", "postgres"],
    ["postgresImage", "postgres:17; rm"],
    ["dockerHost", "example.org"],
    ["logLevel", "loud"],
    ["unheardOf", 1],
  ];
  for (const [key, value] of wrong) {
    it(`refuses ${key}: ${JSON.stringify(value)}`, () => {
      assert.deepEqual(
        problemsOf({ [key]: value }).problems.map((problem) => problem.key),
        [key],
      );
    });
  }

  it("refuses one port for two things", () => {
    assert.match(problemsOf({ httpPort: 8443 }).message, /omniai:httpsPort is 8443; allowed: any port but/);
  });

  const right: [string, unknown][] = [
    ["backendCpus", "0.5"],
    ["backendCpus", "2"],
    ["dockerHost", "ssh://user@host"],
    ["bindAddress", "::1"],
    ["nginxImage", `nginx:1.30@sha256:${"a".repeat(64)}`],
    ["nginxImage", "localhost:5000/nginx:1.30"],
    ["corsOrigins", ["https://owner.github.io", "http://localhost:3000"]],
  ];
  for (const [key, value] of right) {
    it(`accepts ${key}: ${JSON.stringify(value)}`, () => {
      assert.doesNotThrow(() => parse({ [key]: value }));
    });
  }
});
