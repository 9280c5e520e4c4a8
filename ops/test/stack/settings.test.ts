/** The typed config that ops works with, and its refusal of one that cannot stand. */
import { strict as assert } from "node:assert";
import { join } from "node:path";
import { readConfigFiles, type Values } from "../../stack/config-files.ts";
import {
  checkConfig,
  checkedSettings,
  checkStackName,
  configuredEngine,
  imageNames,
  wantedPorts,
} from "../../stack/settings.ts";
import { OpsError } from "../../terminal/errors.ts";

const ROOT = join(import.meta.dirname, "../../..");

describe("the config that ops reads", () => {
  const { values, project } = readConfigFiles(ROOT, "dev");
  const settings = (change: Values, stackFile: Values = {}) =>
    checkedSettings("dev", { project, stackFile, values: { ...values, ...change } });
  const encrypted = (key: string) => {
    const { [key]: _, ...rest } = values;
    const stackFile = { config: { [`omniai:${key}`]: { secure: "v1:abc" } } };
    return checkedSettings("dev", { project, stackFile, values: rest });
  };

  it("has every value in the type that the program has it in", () => {
    const { config } = settings({ httpPort: "9090", tunnelEnabled: "true", backendCpus: 2 });
    assert.deepEqual([config.httpPort, config.tunnelEnabled, config.backendCpus], [9090, true, "2"]);
  });

  it("leaves out what is wrong or encrypted, and keeps the rest", () => {
    const wrong = settings({ httpPort: 70_000, publishPorts: "maybe" });
    assert.deepEqual([wrong.config.httpPort, wrong.config.publishPorts], [undefined, undefined]);
    assert.equal(wrong.config.httpsPort, 8443);
    assert.deepEqual(wrong.problems.map(({ key }) => key).sort(), ["httpPort", "publishPorts"]);
    const hidden = encrypted("httpPort");
    assert.deepEqual(
      [hidden.config.httpPort, hidden.config.httpsPort, hidden.problems],
      [undefined, 8443, []],
    );
  });

  it("never takes this machine's engine for one whose name cannot be read", () => {
    assert.equal(configuredEngine("dev", settings({})), "");
    assert.equal(configuredEngine("dev", settings({ dockerHost: "ssh://a@b" })), "ssh://a@b");
    for (const unreadable of [encrypted("dockerHost"), settings({ dockerHost: "b.example" })])
      assert.throws(
        () => configuredEngine("dev", unreadable),
        /omniai:dockerHost of stack dev is encrypted or/,
      );
  });

  it("names each image once, and the tunnel's connector only with the tunnel", () => {
    const config = { redisImage: "x:1", nginxImage: "y:1", nodeImage: "x:1", cloudflaredImage: "z:1" };
    assert.deepEqual(imageNames("mine", config), ["y:1", "x:1"]);
    assert.deepEqual(imageNames("mine", { ...config, tunnelEnabled: true }), ["z:1", "y:1", "x:1"]);
  });

  it("names no image to build from for a deploy of what is built", () => {
    const config = { redisImage: "x:1", nodeImage: "n:1" };
    assert.deepEqual(imageNames("mine", config), ["n:1", "x:1"]);
    assert.deepEqual(imageNames("mine", config, false), ["x:1"]);
    assert.deepEqual(imageNames("mine", { redisImage: "x:1", nodeImage: "x:1" }, false), ["x:1"]);
  });

  it("names none of a server that others run, but what the backup room is made from", () => {
    const config = { postgresImage: "p:1", redisImage: "r:1" };
    const none = { ...config, database: "external", redis: "external" } as const;
    assert.deepEqual(imageNames("mine", none), []);
    assert.deepEqual(imageNames("prod", none), []);
    assert.deepEqual(imageNames("mine", { ...config, redis: "external" }), ["p:1"]);
    assert.deepEqual(
      imageNames("prod", { ...config, redis: "external" }),
      ["p:1", "r:1"],
      "with a backup room",
    );
    assert.deepEqual(imageNames("mine", { ...config, database: "external" }), ["r:1"]);
  });

  it("names those of the monitoring only where the stack is watched", () => {
    const config = { redisImage: "x:1", vmalertImage: "v:1" };
    assert.deepEqual(imageNames("mine", config), ["x:1"]);
    assert.deepEqual(imageNames("mine", { ...config, monitoring: "always" }), ["x:1", "v:1"]);
    assert.deepEqual(imageNames("prod", config), ["x:1", "v:1"]);
    assert.deepEqual(imageNames("prod", { ...config, monitoring: "never" }), ["x:1"]);
  });

  it("wants ports on the host unless the tunnel or the config says otherwise", () => {
    const keys = (change: Values) => wantedPorts(settings(change).config).map(({ key }) => key);
    assert.deepEqual(keys({}), ["httpPort", "httpsPort"]);
    assert.deepEqual(keys({ tunnelEnabled: true }), []);
    assert.deepEqual(keys({ tunnelEnabled: true, publishPorts: "always" }), ["httpPort", "httpsPort"]);
    assert.deepEqual(keys({ publishPorts: "never" }), []);
    assert.deepEqual(
      keys({ publishPorts: "maybe" }),
      ["httpPort", "httpsPort"],
      "a wrong value hides no taken port",
    );
  });

  it("wants its ports on each of its addresses", () => {
    const wanted = wantedPorts(
      settings({ httpPort: 80, httpsPort: 443, bindAddressIpv6: "2001:db8::7" }).config,
    );
    assert.deepEqual(
      wanted.map(({ addressKey, address, port }) => `${addressKey} ${address} ${port}`),
      ["", "Ipv6"].flatMap((family) =>
        [80, 443].map((port) => `bindAddress${family} ${family ? "2001:db8::7" : "127.0.0.1"} ${port}`),
      ),
    );
  });

  it("knows what can be a port", () => {
    for (const [value, port] of [
      [80, 80],
      ["443", 443],
      [0, undefined],
      [70_000, undefined],
      ["x", undefined],
      [1.5, undefined],
    ]) {
      assert.equal(settings({ httpPort: value }).config.httpPort, port);
    }
  });
});

describe("the name of a stack", () => {
  it("has to fit into the names of containers", () => {
    for (const good of ["dev", "a", "test-1"]) checkStackName(good);
    for (const bad of ["", "Dev", "a_b", "-a", "a-", "1a", "a/b", "a".repeat(31)])
      assert.throws(() => checkStackName(bad), OpsError, bad);
  });
});

describe("a config that the program would refuse", () => {
  const { values, project } = readConfigFiles(ROOT, "dev");
  const check =
    (change: Record<string, unknown>, stackFile = {}, stack = "dev") =>
    () =>
      checkConfig(stack, checkedSettings(stack, { project, stackFile, values: { ...values, ...change } }));

  it("reports wrong types, ranges, unknown keys and contradictions at once, each with its key and remedy", () => {
    const wrong = { backendReplicas: "many", corsOrigins: "a", edgeMemory: 1, httpsPort: 8080, nosuch: 1 };
    assert.throws(check(wrong), (error: Error) => {
      assert.match(error.message, /omniai:backendReplicas is "many"; allowed: a whole number from 1 to 16/);
      assert.match(error.message, /omniai:corsOrigins is "a"; allowed: a list of exact origins/);
      assert.match(error.message, /omniai:edgeMemory is 1;/);
      assert.match(error.message, /omniai:httpsPort is 8080; allowed: any port but omniai:httpPort/);
      assert.match(error.message, /omniai:nosuch is not a key of this project/);
      assert.match(error.message, /pulumi config rm omniai:nosuch --stack dev/);
      assert.doesNotMatch(error.message, /config set omniai:nosuch/);
      assert.match(error.message, /pulumi config set omniai:edgeMemory VALUE --stack dev/);
      return true;
    });
  });

  it("knows the token of the provider's own key, also when it is encrypted", () => {
    const tunnel = {
      ...{ tunnelEnabled: true, tunnelHostnames: ["api.example.org"], cloudflareZone: "example.org" },
      ...{
        cloudflareAccountId: "a".repeat(32),
        cloudflareZoneId: "b".repeat(32),
        cloudflareAlertEmails: ["owner@example.org"],
      },
    };
    const before = process.env["CLOUDFLARE_API_TOKEN"];
    delete process.env["CLOUDFLARE_API_TOKEN"];
    try {
      assert.throws(check(tunnel), /omniai:cloudflareApiToken/);
      assert.doesNotThrow(check(tunnel, { config: { "cloudflare:apiToken": { secure: "v1:x" } } }));
    } finally {
      if (before !== undefined) process.env["CLOUDFLARE_API_TOKEN"] = before;
    }
  });

  it("is one whose stack is named after a stricter environment than it asks for", () => {
    assert.doesNotThrow(check({ environment: "prod", hostMemory: 8192, hostCpus: 8 }, {}, "prod"));
    assert.throws(
      check({ environment: "dev" }, {}, "prod"),
      /omniai:environment is "dev"; allowed: empty or prod/,
    );
  });

  it("has a token in the clear, which is not shown", () => {
    assert.throws(check({ githubToken: "ghp-canary" }), (error: Error) => {
      assert.match(error.message, /omniai:githubToken is \[not shown\]; allowed: an encrypted value/);
      assert.doesNotMatch(error.message, /canary/);
      return true;
    });
  });

  it("takes what Pulumi takes: numbers as text, and text as numbers", () => {
    assert.doesNotThrow(check({}));
    assert.doesNotThrow(check({ backendReplicas: "2", backendCpus: 2 }));
  });

  it("says nothing about secrets, which it cannot read, and shows none", () => {
    const apiKey = { secure: "v1:abc" };
    const providers = [{ name: "a", baseUrl: "https://a.example/v1", apiKey }];
    assert.doesNotThrow(check({ providers }));
    assert.doesNotThrow(
      check({ logLevel: undefined }, { config: { "omniai:logLevel": { secure: "v1:abc" } } }),
    );
    const one = [...providers, { name: "b", baseUrl: "https://b.example/v1", apiKey: "sk-canary" }];
    assert.throws(check({ providers: one }), (error: Error) => {
      assert.doesNotMatch(error.message, /canary|providers\[0\]/);
      assert.match(
        error.message,
        /omniai:providers\[1\]\.apiKey is \[not shown\]; allowed: an encrypted value/,
      );
      return true;
    });
    assert.throws(
      check({}, { config: { "cloudflare:apiToken": "canary" } }),
      /cloudflare:apiToken is \[not shown\]; allowed: an encrypted value/,
    );
    const plain = [{ name: "a b", baseUrl: "https://a.example", apiKey: "sk-canary" }];
    assert.throws(check({ providers: plain }), (error: Error) => {
      assert.doesNotMatch(error.message, /canary/);
      assert.match(error.message, /wrong at 0\.name[\s\S]*config set omniai:providers --secret/);
      return true;
    });
  });
});
