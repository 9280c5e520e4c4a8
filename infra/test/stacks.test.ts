/** The same program for each stack of this repository: its own file, and what an owner adds to it. */
import { strict as assert } from "node:assert";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { unpack } from "./support/archive.ts";
import { COMMAND, CONTAINER, isSecret, record, secretValue, type Recording } from "./support/recorder.ts";
import { ownerValues, stackFile } from "./support/stack-file.ts";
import { SECRETS } from "./support/tunnel-config.ts";

const TUNNEL_CONFIG = "cloudflare:index/zeroTrustTunnelCloudflaredConfig:ZeroTrustTunnelCloudflaredConfig";
const RECORD = "cloudflare:index/dnsRecord:DnsRecord";
const STACKS = ["dev", "staging", "prod"] as const;
type Stack = (typeof STACKS)[number];

/** Compares with the file; UPDATE_SNAPSHOTS=1 writes it instead. */
function isAsBefore(stack: string, name: string, text: string): void {
  const file = join(import.meta.dirname, "snapshots", stack, name);
  if (process.env["UPDATE_SNAPSHOTS"]) {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  assert.equal(text, readFileSync(file, "utf8"), `${file}: read the difference, then UPDATE_SNAPSHOTS=1`);
}

const asText = (value: unknown): string => `${JSON.stringify(value, undefined, 2)}\n`;

describe("the program, for the stacks of this repository", () => {
  const programs = new Map<Stack, Recording>();
  before(async () => {
    for (const stack of STACKS)
      programs.set(stack, await record(stack, { ...stackFile(stack), ...ownerValues[stack] }, SECRETS));
  });
  const program = (stack: Stack): Recording => programs.get(stack) ?? assert.fail(stack);
  const containers = (stack: Stack, workload: string) =>
    program(stack)
      .of(CONTAINER)
      .filter(({ name }) => name.startsWith(`omniai-${stack}-${workload}`));
  const variables = (stack: Stack): string[] => containers(stack, "backend")[0]?.inputs["envs"] as string[];
  const nginx = async (stack: Stack): Promise<string> => {
    const { inputs } = program(stack).named(COMMAND, `omniai-${stack}-edge-switch`);
    const files = await unpack(secretValue(inputs["stdin"]));
    return files.find(({ name }) => name === "nginx.conf")?.content ?? assert.fail("no nginx.conf");
  };

  it("has the replicas and the connectors that each file says", () => {
    const counts = STACKS.map((stack) =>
      ["backend", "cloudflared"].map((workload) => containers(stack, workload).length),
    );
    assert.deepEqual(counts, [
      [2, 0],
      [2, 2],
      [3, 2],
    ]);
  });

  it("parents every resource to a component of ours, and only components to the stack", () => {
    for (const stack of STACKS) {
      const { resources } = program(stack);
      const components = resources.filter(({ type }) => type.startsWith("omniai:"));
      const names = new Set(components.map(({ type, name }) => `${type}::${name}`));
      assert.ok(names.size >= 12, `${stack}: ${[...names].join()}`);
      // The engine is of no component: all of them are on it.
      const top = [...names, "pulumi:providers:docker::engine"];
      for (const { type, name, parent } of resources) {
        // Under mocks there is no resource of the stack itself, so what is its child has no parent.
        const allowed = top.includes(`${type}::${name}`) ? [...names, ""] : [...names];
        assert.ok(allowed.includes(parent), `${stack}: the parent of ${type}::${name} is ${parent}`);
      }
    }
  });

  it("puts every resource on the provider that the program made for it", () => {
    const made: Readonly<Record<string, string>> = {
      docker: "pulumi:providers:docker::engine",
      cloudflare: "pulumi:providers:cloudflare::cloudflare",
      github: "pulumi:providers:github::github",
    };
    for (const stack of STACKS) {
      const counts = new Map<string, number>();
      for (const { type, name, provider } of program(stack).resources) {
        const [pkg = ""] = type.split(":");
        if (made[pkg] === undefined) continue;
        assert.equal(provider, made[pkg], `${stack}: ${type} ${name}`);
        counts.set(pkg, (counts.get(pkg) ?? 0) + 1);
      }
      assert.deepEqual(
        [...counts.keys()].sort(),
        stack === "dev" ? ["docker"] : ["cloudflare", "docker", "github"],
      );
    }
  });

  it("has a container that was stopped made anew, so that its health is waited for and its address is known", () => {
    for (const { name, replaceOnChanges } of STACKS.flatMap((stack) => program(stack).of(CONTAINER)))
      assert.ok(replaceOnChanges.includes("mustRun"), name);
  });

  it("publishes ports in dev, on the loopback, and none where there is a tunnel", () => {
    const ports = (stack: Stack) =>
      program(stack)
        .of(CONTAINER)
        .flatMap(({ inputs }) => inputs["ports"] as { ip: string }[]);
    assert.deepEqual(
      ports("dev").map(({ ip }) => ip),
      ["127.0.0.1", "127.0.0.1"],
    );
    assert.deepEqual([...ports("staging"), ...ports("prod")], []);
  });

  it("believes an address about the visitor's own only behind a tunnel, and serves only its hosts there", async () => {
    assert.doesNotMatch(await nginx("dev"), /real_ip/);
    const from = /set_real_ip_from 10\.254\.\d+\.\d+\/27;\s+real_ip_header CF-Connecting-IP;/i;
    for (const stack of ["staging", "prod"] as const) assert.match(await nginx(stack), from);
    const served = async (stack: Stack) =>
      /\$unknown_host \{ default 1; "~\*\^\((.*?)\)/.exec(await nginx(stack))?.[1];
    assert.equal(await served("dev"), "localhost|127\\.0\\.0\\.1");
    assert.equal(await served("staging"), "api-staging\\.example\\.org");
    assert.equal(await served("prod"), "api\\.example\\.org|ai\\.example\\.org");
  });

  it("leads the names of the tunnel to it, proxied, and the page's to GitHub, not proxied", () => {
    const records = (stack: Stack) =>
      program(stack)
        .of(RECORD)
        .map(({ inputs: { name, content, proxied, ttl } }) => [name, content, proxied, ttl]);
    assert.deepEqual(records("dev"), []);
    assert.deepEqual(records("staging"), [
      ["api-staging.example.org", "omniai-staging-id.cfargotunnel.com", true, 1],
    ]);
    assert.deepEqual(records("prod"), [
      ["app.example.org", "owner.github.io", false, 1],
      ["api.example.org", "omniai-prod-id.cfargotunnel.com", true, 1],
      ["ai.example.org", "omniai-prod-id.cfargotunnel.com", true, 1],
    ]);
  });

  it("lets exactly the page of its own stack in, with the cookies that its site allows", () => {
    const of = (stack: Stack, name: string): string | undefined =>
      variables(stack)
        .find((one) => one.startsWith(`${name}=`))
        ?.slice(name.length + 1);
    const rows = STACKS.map((stack) => [
      of(stack, "OMNIAI_CORS_ORIGINS") ?? "",
      of(stack, "OMNIAI_AUTH_MODE"),
      of(stack, "OMNIAI_PAGE_SITE"),
    ]);
    assert.deepEqual(rows, [
      ["", "none", "cross-site"],
      ["https://owner.github.io", "both", "cross-site"],
      ["https://app.example.org", "both", "same-site"],
    ]);
    for (const [index, stack] of STACKS.entries())
      assert.equal((program(stack).outputs["page"] as { origin?: string }).origin ?? "", rows[index]?.[0]);
  });

  it("sets the zone's rules in the one stack that manages it", () => {
    const settings = STACKS.map(
      (stack) => program(stack).resources.filter(({ type }) => /:(ZoneSetting|Ruleset)$/.test(type)).length,
    );
    assert.deepEqual(
      settings.map((count) => count > 0),
      [false, false, true],
    );
  });

  it("has secrets nowhere but in files and in what is marked as secret", async () => {
    for (const stack of STACKS) {
      const { resources, outputs } = program(stack);
      assert.doesNotMatch(JSON.stringify(outputs), /canary/, stack);
      for (const { type, name, inputs } of resources) {
        const open = Object.entries(inputs).filter(([, value]) => !isSecret(value));
        assert.doesNotMatch(JSON.stringify(open), /canary/, `${stack}: ${type} ${name}`);
        // Files travel in base64, where a word is not seen.
        const stdin = inputs["stdin"];
        if (typeof stdin !== "string") continue;
        for (const file of await unpack(stdin))
          assert.doesNotMatch(file.content, /canary/, `${name} ${file.name}`);
      }
      const secrets = resources.filter(({ type, inputs }) => type === COMMAND && isSecret(inputs["stdin"]));
      assert.ok(secrets.length >= 5, stack);
      // The official command plugin keeps what a command prints in plain state, also where its input is a secret.
      for (const { name, secretOutputs } of secrets)
        assert.deepEqual(secretOutputs, ["stdout", "stderr"], name);
    }
  });

  for (const stack of STACKS) {
    it(`renders for ${stack} what it did`, async () => {
      // The release is a hash, of the page too: it changes with every file of that.
      isAsBefore(
        stack,
        "nginx.conf",
        (await nginx(stack)).replaceAll(/[0-9a-f]{12}(?=\\n|\/page)/g, "RELEASE"),
      );
      isAsBefore(stack, "runtime-config.json", asText(program(stack).outputs["runtimeConfig"]));
      const tunnel = program(stack).of(TUNNEL_CONFIG)[0];
      if (stack !== "dev") isAsBefore(stack, "ingress.json", asText(tunnel?.inputs["config"]));
      else assert.equal(tunnel, undefined);
    });
  }
});
