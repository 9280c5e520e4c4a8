/** The one rule for what is a secret: the schema's marks, the names, and what follows from both. */
import { strict as assert } from "node:assert";
import * as pulumi from "@pulumi/pulumi";
import { load } from "../config/config.ts";
import { ConfigError, findProblems, foreignProblems, type Known } from "../config/problems.ts";
import { configSchema } from "../config/schema.ts";
import { isSecretName, leavesOf, secretsIn } from "../config/secrets.ts";
import { defaults } from "./defaults.ts";
import { record } from "./support/recorder.ts";

const PRIVATE_KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\ncanary\n-----END OPENSSH PRIVATE KEY-----\n";
const secrets: Readonly<Record<string, unknown>> = {
  hostPrivateKey: PRIVATE_KEY,
  cloudflareApiToken: "canary-cloudflare",
  githubToken: "canary-github",
  providers: [
    { name: "a", baseUrl: "https://a.example/v1", apiKey: "canary-a" },
    { name: "b", baseUrl: "https://b.example/v1" },
  ],
};
const PATHS = ["cloudflareApiToken", "githubToken", "hostPrivateKey", "providers.0.apiKey"];

const problemsOf = (change: Readonly<Record<string, unknown>>, known: Known = {}) =>
  findProblems({ ...defaults, ...change }, known).problems;

describe("what is a secret", () => {
  it("is said by the schema, and its names say the same", () => {
    const leaves = [...leavesOf(configSchema)];
    assert.deepEqual(
      leaves.filter(({ secret }) => secret).map(({ names }) => names.join(".")),
      [
        "hostPrivateKey",
        "acmeCloudflareToken",
        "cloudflareApiToken",
        "cloudflareWatchSecretUrl",
        "cloudflareWatchSecretToken",
        "githubToken",
        "providers.apiKey",
        "databaseSecretUrl",
        "redisSecretUrl",
        "offsiteSecretKey",
        "offsiteKey",
        "alertReceivers.secret",
        "watchdogSecretUrl",
      ],
    );
    for (const { names, secret } of leaves)
      assert.equal(isSecretName(names.at(-1) ?? ""), secret, names.join("."));
  });

  for (const name of ["DB_PASSWORD", "PGPASSWORD", "API_KEY", "apiKey", "privateKey", "clientSecret", "KEY"])
    it(`is what ${name} promises`, () => assert.equal(isSecretName(name), true));
  for (const name of [
    "DB_PASSWORD_FILE",
    "hostKey",
    "PUBLIC_KEY",
    "accessTokenMinutes",
    "KEYBOARD",
    "monkey",
  ])
    it(`is not what ${name} promises`, () => assert.equal(isSecretName(name), false));
});

describe("secrets of a config", () => {
  it("are refused in the clear, each with its place and what to do, and not shown", () => {
    const problems = problemsOf(secrets);
    assert.deepEqual(problems.map(({ key, path = [] }) => [key, ...path].join(".")).sort(), PATHS);
    const { message } = new ConfigError("prod", problems);
    assert.doesNotMatch(message, /canary/);
    assert.match(message, /omniai:hostPrivateKey is \[not shown\]; allowed: an encrypted value/);
    assert.match(message, /pulumi config set omniai:hostPrivateKey --secret --stack prod/);
    assert.match(message, /pulumi config set --path 'omniai:providers\[0\]\.apiKey' --secret --stack prod/);
  });

  it("are right when each of them is encrypted, and refused when one is not", () => {
    assert.deepEqual(problemsOf(secrets, { isEncrypted: () => true }), []);
    const { length } = problemsOf(secrets, {
      isEncrypted: (path) => path.join(".") !== "providers.0.apiKey",
    });
    assert.equal(length, 1);
  });

  it("are no problem where none is set", () => {
    assert.deepEqual(problemsOf({}), []);
    assert.deepEqual(secretsIn(configSchema, defaults), []);
  });

  it("are not shown either where the value or the key is wrong", () => {
    const { message } = new ConfigError(
      "prod",
      problemsOf({ providers: "canary", openaiToken: "canary", githubToken: "canary with blanks" }),
    );
    assert.doesNotMatch(message, /canary/);
  });

  it("are refused in the clear under a provider's own keys as well", () => {
    const config = {
      "cloudflare:apiToken": "canary",
      "cloudflare:baseUrl": "http://x",
      "omniai:githubToken": "x",
    };
    const problems = foreignProblems(config, () => false);
    assert.deepEqual(
      problems.map(({ key }) => key),
      ["cloudflare:apiToken"],
    );
    const { message } = new ConfigError("prod", problems);
    assert.match(message, /pulumi config set cloudflare:apiToken --secret --stack prod/);
    assert.doesNotMatch(message, /canary/);
    assert.deepEqual(
      foreignProblems(config, () => true),
      [],
    );
  });

  it("are outputs for the program, kept secret, and undefined where none is set", async () => {
    const { config } = findProblems({ ...defaults, ...secrets }, { isEncrypted: () => true });
    const loaded = load(configSchema, config);
    const outputs = [
      loaded.hostPrivateKey,
      loaded.cloudflareApiToken,
      loaded.githubToken,
      loaded.providers[0]?.apiKey,
    ];
    for (const output of outputs) {
      assert.ok(pulumi.Output.isInstance(output));
      assert.equal(await pulumi.isSecret(output), true);
    }
    assert.equal(loaded.providers[1]?.apiKey, undefined);
    assert.equal(load(configSchema, findProblems(defaults).config).hostPrivateKey, undefined);
  });

  it("end the program where Pulumi hands one over that is in the clear", async () => {
    const { providers } = secrets;
    await assert.rejects(record("dev", { providers }), /omniai:providers\[0\]\.apiKey is \[not shown\]/);
    await assert.rejects(
      record("dev", { "cloudflare:apiToken": "canary" }),
      /cloudflare:apiToken is \[not shown\]; allowed: an encrypted value/,
    );
  });
});
