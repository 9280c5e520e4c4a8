/** `npm run stack`, on a terminal of its own and without one. */
import { strict as assert } from "node:assert";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { createCheckout, removeCheckout } from "../../../../test/support/checkout.ts";
import { checkConfig, readSettings } from "../../../stack/settings.ts";

describe("stack init @engine", function () {
  this.timeout(120_000);
  let checkout: string;
  before(() => {
    checkout = createCheckout();
  });
  after(() => removeCheckout(checkout));

  const file = (name: string): string => join(checkout, `Pulumi.${name}.yaml`);
  const cli = (...args: string[]) =>
    spawnSync(process.execPath, [join(checkout, "ops/cli.ts"), "stack", ...args], {
      cwd: checkout,
      encoding: "utf8",
      env: { ...process.env, NO_COLOR: "1" },
    });

  it("asks on a terminal, says what is wrong with an answer, and keeps a typed key as a secret that is nowhere in the clear", async () => {
    // `script` gives it a terminal of its own.
    const command = `${process.execPath} ${join(checkout, "ops/cli.ts")} stack init asked`;
    const child = spawn("script", ["--quiet", "--return", "--command", command, "/dev/null"], {
      cwd: checkout,
      env: { ...process.env, NO_COLOR: "1" },
      stdio: ["pipe", "pipe", "inherit"],
    });
    let shown = "";
    const answers: [RegExp, string][] = [
      [/How strict.*\[dev\]: $/, "staging"],
      [/Memory of its Docker host.*: $/, "4096"],
      [/Cores of its Docker host: $/, "4"],
      [/Docker engine to deploy to.*: $/, "ssh://deploy@host.example"],
      [/for HTTP \[\d+\]: $/, "lots"],
      [/That cannot be; allowed: a whole number[\s\S]*for HTTP \[\d+\]: $/, "9191"],
      [/for HTTPS \[\d+\]: $/, ""],
      [/Cloudflare tunnel.*\[no\]: $/, "yes"],
      [/Host names.*: $/, "api.example.org"],
      [/zone that they are in.*: $/, "example.org"],
      [/zone's id.*: $/, "0123456789abcdef0123456789abcdef"],
      [/account's id.*: $/, "fedcba9876543210fedcba9876543210"],
      [/sets the zone's.*\[yes\]: $/, ""],
      [/Who is written to.*: $/, "you@example.org"],
      [/Origins.*: $/, "https://owner.example"],
      [/AI providers.*: $/, "openai=https://api.openai.com/v1"],
      [/Cloudflare API token.*: $/, "cf-typed-canary"],
      [/Key of openai.*: $/, "sk-typed-canary"],
    ];
    child.stdout.on("data", (chunk: Buffer) => {
      shown += chunk.toString();
      const [expected, answer] = answers[0] ?? [];
      // eslint-disable-next-line no-control-regex
      if (!expected?.test(shown.replace(/\x1b\[[0-9;]*[A-Za-z]/g, ""))) return;
      answers.shift();
      shown = "";
      child.stdin.write(`${answer}\r`);
    });
    const code = await new Promise((done) => child.on("close", done));
    assert.deepEqual(answers, [], `not asked, after: ${shown}`);
    assert.equal(code, 0, shown);
    assert.doesNotMatch(shown, /canary/, "the key is not echoed");
    const text = readFileSync(file("asked"), "utf8");
    assert.doesNotMatch(text, /canary/);
    const { config, encryptionsalt } = parse(text) as {
      config: Record<string, unknown>;
      encryptionsalt: string;
    };
    assert.ok(encryptionsalt);
    assert.equal(config["omniai:dockerHost"], "ssh://deploy@host.example");
    // The CLI writes numbers as text when it adds a secret; it and we read both.
    assert.equal(String(config["omniai:httpPort"]), "9191");
    assert.deepEqual(config["omniai:corsOrigins"], ["https://owner.example"]);
    assert.match((config["omniai:cloudflareApiToken"] as { secure: string }).secure, /^v1:/);
    assert.deepEqual(config["omniai:tunnelHostnames"], ["api.example.org"]);
    const [provider] = config["omniai:providers"] as [{ name: string; apiKey: { secure: string } }];
    assert.equal(provider.name, "openai");
    assert.match(provider.apiKey.secure, /^v1:/);
    checkConfig("asked", readSettings(checkout, "asked"));
    // The CLI, with the passphrase that was made, has it back.
    const env = {
      ...process.env,
      PULUMI_BACKEND_URL: `file://${checkout}/.state`,
      PULUMI_CONFIG_PASSPHRASE_FILE: join(checkout, ".state/passphrase"),
    };
    const got = spawnSync(
      "pulumi",
      ["config", "get", "--path", "omniai:providers[0].apiKey", "--stack", "asked"],
      { cwd: checkout, env, encoding: "utf8" },
    );
    assert.equal(got.stdout.trim(), "sk-typed-canary", got.stderr);
    assert.equal(statSync(join(checkout, ".state/passphrase")).mode & 0o777, 0o600);
  });

  it("asks nothing when flags and --yes answer, and refuses a wrong answer", () => {
    const wrong = cli("init", "flags", "--yes", "--http-port", "70000");
    assert.equal(wrong.status, 2, wrong.stderr);
    assert.match(wrong.stderr, /--http-port 70000 cannot be: allowed: a whole number from 1 to 65535/);
    assert.ok(!existsSync(file("flags")));
    const { status, stderr } = cli("init", "flags", "--yes", "--origins", "https://a.example");
    assert.equal(status, 0, stderr);
    const { config } = parse(readFileSync(file("flags"), "utf8")) as { config: Record<string, unknown> };
    assert.deepEqual(Object.keys(config).sort(), [
      ...["omniai:corsOrigins", "omniai:environment", "omniai:httpPort", "omniai:httpsPort"],
      "omniai:tunnelEnabled",
    ]);
    const half = cli("init", "half", "--yes", "--tunnel", "yes", "--hostnames", "api.example.org");
    assert.equal(half.status, 2, half.stderr);
    for (const key of ["cloudflareZone", "cloudflareZoneId", "cloudflareAccountId", "cloudflareApiToken"])
      assert.match(half.stderr, new RegExp(`omniai:${key} is `));
    assert.ok(!existsSync(file("half")));
  });

  it("never overwrites a stack, and does not wait when nobody can answer", () => {
    const before = readFileSync(file("dev"), "utf8");
    const again = cli("init", "dev", "--yes");
    assert.equal(again.status, 2);
    assert.match(again.stderr, /Pulumi\.dev\.yaml is there already/);
    assert.equal(readFileSync(file("dev"), "utf8"), before);
    const nobody = cli("init", "silent");
    assert.equal(nobody.status, 2);
    assert.match(nobody.stderr, /no terminal/);
    assert.ok(!existsSync(file("silent")));
  });

  it("is pinned where registries can be reached; elsewhere nothing is written and each way says why", () => {
    const before = readFileSync(file("flags"), "utf8");
    const { status, stderr } = cli("pin", "flags");
    const text = readFileSync(file("flags"), "utf8");
    if (status === 0) {
      assert.equal([...text.matchAll(/Image: \S+@sha256:[0-9a-f]{64}$/gm)].length, 5);
      return;
    }
    assert.equal(text, before);
    assert.match(stderr, /omniai:redisImage redis:8: registry: .*; buildx: .*; engine: /);
    assert.match(stderr, /nothing was written/);
  });

  it("appears in the list", () => {
    const { stdout, status, stderr } = cli("list", "--json");
    assert.equal(status, 0, stderr);
    const stacks = JSON.parse(stdout) as { name: string; dockerHost: string }[];
    for (const name of ["dev", "staging", "prod", "asked", "flags"])
      assert.ok(
        stacks.some((one) => one.name === name),
        name,
      );
    assert.equal(stacks.find(({ name }) => name === "asked")?.dockerHost, "ssh://deploy@host.example");
  });
});
