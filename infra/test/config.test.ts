/** The config: what each key may be, and how problems are told. */
import { strict as assert } from "node:assert";
import { typedValue } from "../config/values.ts";
import { ConfigError, parseConfig } from "../config/problems.ts";
import { isSameSite } from "../config/rules.ts";
import { configSchema } from "../config/schema.ts";
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
    ["backendCpus", "0.05"],
    ["edgeCpus", "10"],
    ["postgresCpus", "100"],
    ["redisCpus", "10.05"],
    ["tunnelCpus", "0.01"],
    ["bindAddress", "localhost"],
    ["bindAddressIpv6", "127.0.0.1"],
    ["bindAddressIpv6", "[::1]"],
    ["corsOrigins", ["https://owner.github.io/page"]],
    ["corsOrigins", ["*"]],
    ["certificateHosts", []],
    ["certificateHosts", ["two words"]],
    ["postgresImage", "postgres"],
    ["postgresImage", "postgres:17; rm"],
    ["dockerHost", "example.org"],
    ["logLevel", "loud"],
    ["authMode", "basic"],
    ["pageSite", "here"],
    ["pageWithout", ["everything"]],
    ["pageWithout", ["public", "public"]],
    ["pageMeasureSeconds", 0],
    ["pagePollSeconds", 0],
    ["pagePollSeconds", 26],
    ["sessionMaxHours", 0],
    ["requestsPerMinute", -1],
    ["backups", "on"],
    ["backupTime", "24:00"],
    ["backupTime", "2:00"],
    ["backupDays", 0],
    ["backupMemory", 64],
    ["timeZone", "Europe/Atlantis"],
    ["postgresWalKeep", 1],
    ["bindAddressIpv6", "fe80::1%eth0"],
    ["bindAddressIpv6", "::ffff:192.0.2.7"],
    ["bindAddress", "::ffff:192.0.2.7"],
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

  it("says of a CPU limit which ones are allowed", () => {
    const error = problemsOf({ backendCpus: "10", edgeCpus: "0.05" });
    assert.match(error.message, /omniai:backendCpus is "10"; allowed: cores .*any from "0\.1" to "9\.999"/);
    assert.match(error.message, /omniai:edgeCpus is "0\.05"; allowed: cores/);
  });

  it("refuses one port for two things", () => {
    assert.match(problemsOf({ httpPort: 8443 }).message, /omniai:httpsPort is 8443; allowed: any port but/);
  });

  it("names contradictions beside wrong values, unless they are about the wrong ones", () => {
    const both = problemsOf({ httpPort: 8443, backendReplicas: 0, providers: "none" });
    assert.deepEqual(both.problems.map(({ key }) => key).sort(), [
      "backendReplicas",
      "httpsPort",
      "providers",
    ]);
    assert.deepEqual(
      problemsOf({ httpPort: 0, httpsPort: 0 }).problems.map(({ key }) => key),
      ["httpPort", "httpsPort"],
    );
  });

  const openai = { name: "openai", baseUrl: "https://api.openai.com/v1" };
  it("refuses providers whose names collide, or whose key would travel in the clear, and shows no key", () => {
    assert.match(
      problemsOf({ providers: [openai, openai] }).message,
      /each name once; openai is there again/,
    );
    const open = problemsOf({ providers: [{ name: "x", baseUrl: "http://x.example", apiKey: "sk-canary" }] });
    assert.deepEqual(
      open.problems.map(({ path }) => path?.join(".")),
      ["0.apiKey", undefined],
    );
    assert.match(open.message, /only with an https baseUrl; that of x is http/);
    assert.doesNotMatch(open.message, /canary/);
    assert.match(problemsOf({ providers: [{ ...openai, key: 1 }] }).message, /wrong at 0/);
  });

  it("refuses a session that ends sooner than it is idle", () => {
    assert.match(
      problemsOf({ sessionIdleMinutes: 90, sessionMaxHours: 1 }).message,
      /at most omniai:sessionMaxHours \(1\)/,
    );
  });

  it("refuses SameSite=Lax where a page is on another site, and only where there are cookies", () => {
    const hosts = { certificateHosts: ["api.example.org"], pageSite: "same-site" };
    for (const page of ["https://owner.github.io", "https://example.com", "http://app.example.org"]) {
      const error = problemsOf({
        ...hosts,
        authMode: "both",
        corsOrigins: ["https://app.example.org", page],
      });
      assert.deepEqual(
        error.problems.map(({ key }) => key),
        ["pageSite"],
      );
      assert.ok(error.message.includes(page));
      assert.doesNotThrow(() => parse({ ...hosts, authMode: "token", corsOrigins: [page] }));
      assert.doesNotThrow(() =>
        parse({ ...hosts, pageSite: "cross-site", authMode: "session", corsOrigins: [page] }),
      );
    }
    assert.doesNotThrow(() =>
      parse({
        ...hosts,
        authMode: "session",
        corsOrigins: ["https://app.example.org", "https://example.org:8443"],
      }),
    );
  });

  it("knows what browsers count as one site", () => {
    assert.equal(isSameSite("https://a.github.io", ["b.github.io"]), false, "a public suffix");
    assert.equal(isSameSite("https://a.example.co.uk", ["b.example.co.uk"]), true);
    assert.equal(isSameSite("https://example.co.uk", ["other.co.uk"]), false);
    assert.equal(isSameSite("https://localhost:3000", ["localhost"]), true);
    assert.equal(isSameSite("https://127.0.0.1:3000", ["127.0.0.1"]), true);
    assert.equal(isSameSite("https://127.0.0.2", ["127.0.0.1"]), false);
  });

  const right: [string, unknown][] = [
    ["providers", [openai, { name: "local", baseUrl: "http://10.0.0.5:11434/v1" }]],
    ["backendCpus", "0.5"],
    ["backendCpus", "2"],
    ["backendCpus", "0.75"],
    ["backendCpus", "12.5"],
    ["dockerHost", "ssh://user@host"],
    ["bindAddress", "::1"],
    ["bindAddressIpv6", "2001:db8::7"],
    ["nginxImage", `nginx:1.30@sha256:${"a".repeat(64)}`],
    ["nginxImage", "localhost:5000/nginx:1.30"],
    ["corsOrigins", ["https://owner.github.io", "http://localhost:3000"]],
  ];
  it("has an IPv6 address as the engine lists it, however it was written", () => {
    for (const [written, listed] of [
      ["2001:DB8:0::7", "2001:db8::7"],
      ["0:0:0:0:0:0:0:1", "::1"],
      ["0::0", "::"],
      ["2001:db8:0:1:0:0:0:0", "2001:db8:0:1::"],
      ["64:ff9b::192.0.2.7", "64:ff9b::c000:207"],
    ]) {
      assert.equal(parse({ bindAddress: written }).bindAddress, listed);
      assert.equal(parse({ bindAddressIpv6: written }).bindAddressIpv6, listed);
    }
    assert.equal(parse({ bindAddressIpv6: "" }).bindAddressIpv6, "");
  });

  it("reads values as Pulumi hands them over and as a file may write them", () => {
    assert.equal(typedValue("httpPort", "8080"), 8080);
    assert.equal(typedValue("backendCpus", 2), "2");
    assert.deepEqual(typedValue("corsOrigins", '["https://a.example"]'), ["https://a.example"]);
    assert.equal(typedValue("backendReplicas", "two"), "two");
  });

  for (const [key, value] of right) {
    it(`accepts ${key}: ${JSON.stringify(value)}`, () => {
      assert.doesNotThrow(() => parse({ [key]: value }));
    });
  }
});
