/**
 * The whole program for a stack with a tunnel. B1 to B8 are the traps of the Cloudflare provider that
 * docs/decisions/0022-tunnel.md lists.
 */
import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { planIngress, UNUSED } from "../components/tunnel/ingress.ts";
import { gatewayOf } from "../components/network/subnet.ts";
import {
  CONTAINER,
  isSecret,
  record,
  secretValue,
  type Declared,
  type Recording,
} from "./support/recorder.ts";
import { unpack } from "./support/archive.ts";
import { SECRETS, tunnelConfig } from "./support/tunnel-config.ts";

const TUNNEL = "cloudflare:index/zeroTrustTunnelCloudflared:ZeroTrustTunnelCloudflared";
const TUNNEL_CONFIG = "cloudflare:index/zeroTrustTunnelCloudflaredConfig:ZeroTrustTunnelCloudflaredConfig";
const RECORD = "cloudflare:index/dnsRecord:DnsRecord";
const SETTING = "cloudflare:index/zoneSetting:ZoneSetting";
const RULESET = "cloudflare:index/ruleset:Ruleset";
const NETWORK = "docker:index/network:Network";

const BUCKET = "cloudflare:index/r2Bucket:R2Bucket";

const catchAll = { service: "http_status:404" };
const TUNNEL_SECRET = Buffer.from("canary-omniai-prod-tunnel-secret".padEnd(40, "-")).toString("base64");

type Rules = { ingresses: Record<string, unknown>[] };
const ingressOf = (program: Recording): Record<string, unknown>[] =>
  (program.named(TUNNEL_CONFIG, "omniai-prod").inputs["config"] as Rules).ingresses;

const networksOf = ({ inputs }: Declared): string[] =>
  (inputs["networksAdvanced"] as { name: string }[]).map(({ name }) => name);

describe("the program, with a tunnel", () => {
  let program: Recording;
  before(async () => {
    program = await record("prod", tunnelConfig, SECRETS);
  });
  const connectors = () => program.of(CONTAINER).filter(({ name }) => name.includes("cloudflared"));

  it("publishes no port at all", () => {
    for (const { name, inputs } of program.of(CONTAINER)) assert.deepEqual(inputs["ports"], [], name);
  });

  it("still publishes the edge's ports when the config says so", async () => {
    const both = await record("prod", { ...tunnelConfig, publishPorts: "always" }, SECRETS);
    assert.equal((both.named(CONTAINER, "omniai-prod-edge").inputs["ports"] as unknown[]).length, 2);
    assert.deepEqual(both.outputs["urls"], {
      public: "https://api.example.org",
      http: "http://127.0.0.1:8080",
      https: "https://127.0.0.1:8443",
    });
  });

  it("shares with the connectors one network without a way out, whose subnet it knows", () => {
    const edge = networksOf(program.named(CONTAINER, "omniai-prod-edge"));
    assert.ok(connectors().length === 2);
    for (const connector of connectors()) {
      assert.deepEqual(
        networksOf(connector).filter((name) => edge.includes(name)),
        ["omniai-prod-tunnel"],
      );
      assert.deepEqual(networksOf(connector), [
        "omniai-prod-tunnel",
        "omniai-prod-egress",
        "omniai-prod-connectors",
      ]);
    }
    // A connector that was taken over reaches the service only as everybody does.
    const replica = networksOf(program.named(CONTAINER, "omniai-prod-backend-1"));
    for (const connector of connectors())
      assert.deepEqual(
        networksOf(connector).filter((name) => replica.includes(name)),
        [],
      );
    const { inputs } = program.named(NETWORK, "omniai-prod-tunnel");
    assert.equal(inputs["internal"], true);
    const [ipam] = inputs["ipamConfigs"] as { subnet: string; gateway?: string }[];
    assert.match(ipam?.subnet ?? "", /^10\.254\.\d+\.\d+\/27$/);
    // Left to the engine it comes back after the engine's next start, as a change that replaces the network.
    assert.equal(ipam?.gateway, gatewayOf(ipam?.subnet ?? ""));
    assert.equal(program.named(NETWORK, "omniai-prod-egress").inputs["internal"], false);
  });

  it("runs cloudflared with its token in a file and its readiness as its health", () => {
    for (const { inputs } of connectors()) {
      const command = inputs["command"] as string[];
      assert.deepEqual(command.slice(-3), ["run", "--token-file", "/run/secrets/token"]);
      assert.deepEqual((inputs["healthcheck"] as { tests: string[] }).tests, [
        ...["CMD", "cloudflared", "tunnel", "--metrics", "127.0.0.1:20241", "ready"],
      ]);
      assert.equal(command[command.indexOf("--grace-period") + 1], "30s");
      assert.ok(Number(inputs["destroyGraceSeconds"]) > 30);
      assert.equal(inputs["user"], "65532:65532");
      assert.deepEqual(inputs["envs"], []);
      assert.equal(inputs["wait"], true);
    }
  });

  it("B1: keeps the configuration as long as the tunnel, and can close it before both go", async () => {
    const config = program.named(TUNNEL_CONFIG, "omniai-prod");
    assert.equal(config.protect, true);
    assert.equal(config.deletedWith, "omniai-prod");
    const closing = await record("prod", { ...tunnelConfig, tunnelClosing: true }, SECRETS);
    assert.deepEqual(ingressOf(closing), [catchAll]);
    assert.equal(closing.named(TUNNEL_CONFIG, "omniai-prod").protect, false);
    assert.equal(closing.named(TUNNEL, "omniai-prod").protect, false);
  });

  it("B2: has one document with every host name, and a tunnel of the stack's own", () => {
    assert.equal(program.of(TUNNEL_CONFIG).length, 1);
    assert.deepEqual(
      ingressOf(program).map(({ hostname }) => hostname),
      ["api.example.org", "ai.example.org", undefined],
    );
    assert.match(String(program.named(TUNNEL, "omniai-prod").inputs["name"]), /^omniai-prod-/);
  });

  it("B3: ends with the catch-all and leaves no field to a default", () => {
    assert.deepEqual(ingressOf(program).at(-1), catchAll);
    const { originRequest, ...rule } = ingressOf(program)[0] ?? {};
    assert.deepEqual(rule, { hostname: "api.example.org", service: "http://edge:8080" });
    const { connectTimeout, keepAliveTimeout } = originRequest as Record<string, number>;
    assert.deepEqual([connectTimeout, keepAliveTimeout], [5, 2]);
    assert.equal(program.named(TUNNEL_CONFIG, "omniai-prod").inputs["source"], "cloudflare");
  });

  it("leaves what nobody declares as Cloudflare tells it, and nothing else", async () => {
    const ignored = (recording: Recording) =>
      recording.resources
        .filter(({ type, ignoreChanges }) => type.startsWith("cloudflare:") && ignoreChanges.length > 0)
        .map((one) => [one.type, one.ignoreChanges]);
    const [policy] = program.of("cloudflare:index/notificationPolicy:NotificationPolicy");
    const policies = [policy?.type, ["mechanisms.pagerduties", "mechanisms.webhooks"]];
    const last = ingressOf(program).length - 1;
    assert.deepEqual(ignored(program), [
      [TUNNEL_CONFIG, [`config.ingresses[${last}].originRequest`]],
      policies,
    ]);
    assert.deepEqual(ingressOf(program)[last], catchAll, "the path leads to the last rule");
    const closing = await record("prod", { ...tunnelConfig, tunnelClosing: true }, SECRETS);
    assert.deepEqual(closing.named(TUNNEL_CONFIG, "omniai-prod").ignoreChanges, [
      "config.ingresses[0].originRequest",
    ]);
  });

  it("B3: decides every field that the provider's type has", () => {
    const types = readFileSync(
      createRequire(import.meta.url).resolve("@pulumi/cloudflare/types/input.d.ts"),
      "utf8",
    );
    const [, body = ""] =
      /interface ZeroTrustTunnelCloudflaredConfigConfigIngressOriginRequest \{\n([\s\S]*?)\n\}/.exec(types) ??
      [];
    const fields = [...body.matchAll(/^ {4}(\w+)\?: pulumi\.Input<(\w+)/gm)].map(
      ([, name = "", type = ""]) => ({ name, type }),
    );
    assert.ok(fields.length >= 15, "the type is read");
    const args = {
      hostnames: ["a.example.org"],
      service: "http://edge:8080",
      edgeKeepaliveSeconds: 4,
      closing: false,
    };
    const [rule] = planIngress(args).ingresses as unknown as { originRequest: Record<string, unknown> }[];
    const written = Object.keys(rule?.originRequest ?? {});
    assert.deepEqual([...written, ...UNUSED].sort(), fields.map(({ name }) => name).sort());
    // What is left out is what has no value that means nothing: never a number or a flag.
    for (const { name, type } of fields.filter(({ name }) => (UNUSED as readonly string[]).includes(name)))
      assert.doesNotMatch(type, /number|boolean/, name);
  });

  it("B4: makes the tunnel with configSrc cloudflare, and protects it", () => {
    const tunnel = program.named(TUNNEL, "omniai-prod");
    assert.equal(tunnel.inputs["configSrc"], "cloudflare");
    assert.equal(tunnel.protect, true);
  });

  it("B5: stops the connectors before the tunnel is deleted, and names another tunnel differently", () => {
    for (const connector of connectors()) {
      // Listed by type and name would be ambiguous here: the tunnel and its configuration have one name.
      assert.equal(connector.dependsOn.filter((name) => name === "omniai-prod").length, 2, connector.name);
      assert.ok(connector.dependsOn.includes("omniai-prod-edge"), connector.name);
    }
    const tunnel = program.named(TUNNEL, "omniai-prod");
    assert.equal(tunnel.inputs["name"], "omniai-prod-0a1b2c");
    assert.equal(tunnel.deleteBeforeReplace, false);
    const keepers = program.named("random:index/randomId:RandomId", "omniai-prod-tunnel").inputs["keepers"];
    assert.deepEqual(keepers, { account: tunnelConfig.cloudflareAccountId });
  });

  it("B6: makes the tunnel's secret itself, so that a preview asks Cloudflare for no token", () => {
    assert.deepEqual(program.calls, []);
    const { inputs } = program.named(
      "random:index/randomPassword:RandomPassword",
      "omniai-prod-tunnel-secret",
    );
    assert.ok(Number(inputs["length"]) >= 32, "Cloudflare takes no fewer bytes");
    const secret = program.named(TUNNEL, "omniai-prod").inputs["tunnelSecret"];
    assert.ok(isSecret(secret));
    assert.equal(secretValue(secret), TUNNEL_SECRET);
  });

  it("B6: hands the token to the connectors as cloudflared reads it, a secret that is shown nowhere", async () => {
    const files = program.named("command:local:Command", "omniai-prod-cloudflared-files").inputs;
    assert.ok(isSecret(files["stdin"]));
    const token = (await unpack(secretValue(files["stdin"]))).find(({ name }) => name === "token");
    assert.equal(token?.mode, 0o400);
    assert.deepEqual(JSON.parse(Buffer.from(token.content, "base64").toString()), {
      a: tunnelConfig.cloudflareAccountId,
      t: "omniai-prod-id",
      s: TUNNEL_SECRET,
    });
    const hidden = [TUNNEL_SECRET, token.content, "canary"];
    for (const { type, name, inputs } of program.resources) {
      const visible = JSON.stringify(inputs, (_, value: unknown) => (isSecret(value) ? undefined : value));
      for (const secret of hidden) assert.ok(!visible.includes(secret), `${type} ${name}`);
    }
    for (const secret of hidden) assert.ok(!JSON.stringify(program.outputs).includes(secret));
  });

  it("B6: hands the API token to the provider alone, as a secret", () => {
    const [provider] = program.of("pulumi:providers:cloudflare");
    assert.ok(isSecret(provider?.inputs["apiToken"]));
    assert.equal(secretValue(provider?.inputs["apiToken"]), "canary-api-token");
    assert.equal(provider?.inputs["baseUrl"], undefined, "Cloudflare's own");
  });

  it("takes the API's address and its token from the provider's own config as well", async () => {
    const change = {
      ...tunnelConfig,
      cloudflareApiToken: "",
      "cloudflare:apiToken": "canary-provider-token",
      "cloudflare:baseUrl": "http://127.0.0.1:8787/client/v4",
    };
    const other = await record("prod", change, [...SECRETS, "cloudflare:apiToken"]);
    const [provider] = other.of("pulumi:providers:cloudflare");
    assert.equal(provider?.inputs["baseUrl"], "http://127.0.0.1:8787/client/v4");
    assert.ok(isSecret(provider.inputs["apiToken"]));
    assert.equal(secretValue(provider.inputs["apiToken"]), "canary-provider-token");
  });

  it("B7: makes whole, proxied names with an automatic lifetime, after the connectors", () => {
    const records = program.of(RECORD);
    assert.deepEqual(
      records.map(({ inputs }) => inputs),
      ["api.example.org", "ai.example.org"].map((name) => ({
        zoneId: tunnelConfig.cloudflareZoneId,
        name,
        type: "CNAME",
        content: "omniai-prod-id.cfargotunnel.com",
        proxied: true,
        ttl: 1,
      })),
    );
    for (const record of records) {
      assert.equal(record.deleteBeforeReplace, true);
      for (const { name } of connectors()) assert.ok(record.dependsOn.includes(name));
    }
  });

  it("B8: uses only resources of the provider's sixth version", () => {
    const ours = program.resources.filter(({ type }) => type.startsWith("cloudflare:"));
    assert.deepEqual([...new Set(ours.map(({ type }) => type.slice(type.lastIndexOf(":") + 1)))].sort(), [
      ...["DnsRecord", "NotificationPolicy", "R2Bucket", "Ruleset"],
      ...["ZeroTrustTunnelCloudflared", "ZeroTrustTunnelCloudflaredConfig", "ZoneSetting"],
    ]);
  });

  it("sets the zone up: TLS 1.2, strict, HTTP/3, and HSTS under the API's own names", () => {
    const settings: Record<string, unknown> = Object.fromEntries(
      program
        .of(SETTING)
        .map(({ inputs }): [string, unknown] => [String(inputs["settingId"]), inputs["value"]]),
    );
    assert.deepEqual(settings, {
      min_tls_version: "1.2",
      ssl: "strict",
      always_use_https: "on",
      http3: "on",
      security_header: {
        strict_transport_security: {
          enabled: true,
          include_subdomains: false,
          max_age: 15_768_000,
          nosniff: true,
          preload: false,
        },
      },
    });
  });

  it("has one rate limit and one firewall rule, in terms of every plan", () => {
    const rule = (name: string) =>
      (program.named(RULESET, name).inputs["rules"] as Record<string, unknown>[])[0] ?? {};
    assert.deepEqual(rule("omniai-prod-rate-limit")["ratelimit"], {
      characteristics: ["cf.colo.id", "ip.src"],
      period: 10,
      requestsPerPeriod: 200,
      mitigationTimeout: 10,
    });
    assert.equal(rule("omniai-prod-rate-limit")["expression"], 'starts_with(http.request.uri.path, "/api/")');
    assert.equal(
      rule("omniai-prod-firewall")["expression"],
      '(http.host in {"api.example.org" "ai.example.org"} and not starts_with(http.request.uri.path, "/api/") ' +
        'and not http.request.uri.path in {"/healthz" "/readyz" "/startupz"})',
    );
    const phases = program
      .of(RULESET)
      .map(({ inputs }) => `${String(inputs["kind"])} ${String(inputs["phase"])}`);
    assert.deepEqual(phases.sort(), ["zone http_ratelimit", "zone http_request_firewall_custom"]);
  });

  it("lets a page through that the edge serves", async () => {
    const withPage = await record("prod", { ...tunnelConfig, pageAt: "edge" }, SECRETS);
    const [rule] = withPage.named(RULESET, "omniai-prod-firewall").inputs["rules"] as {
      expression: string;
    }[];
    const expression = rule?.expression ?? "";
    assert.match(
      expression,
      /uri\.path in \{"\/healthz" "\/readyz" "\/startupz" "\/" .*"\/index\.html".*"\/sw\.js"/,
    );
    for (const folder of ["js", "vendor"])
      assert.ok(
        expression.includes(` and not starts_with(http.request.uri.path, "/${folder}/")`),
        expression,
      );
    assert.ok(expression.length < 4096);
    assert.equal((withPage.outputs["urls"] as Record<string, string>)["page"], "https://api.example.org/");
  });

  it("leaves the zone to another stack when told so", async () => {
    const second = await record("prod", { ...tunnelConfig, cloudflareManageZone: false }, SECRETS);
    assert.deepEqual([...second.of(SETTING), ...second.of(RULESET)], []);
    assert.equal(second.of(RECORD).length, 2);
  });

  it("tells people when the tunnel is down", () => {
    const [policy] = program.of("cloudflare:index/notificationPolicy:NotificationPolicy");
    assert.equal(policy?.inputs["alertType"], "tunnel_health_event");
    assert.deepEqual(policy.inputs["mechanisms"], { emails: [{ id: "ops@example.org" }] });
    assert.deepEqual(policy.inputs["filters"], {
      tunnelIds: ["omniai-prod-id"],
      newStatuses: ["TUNNEL_STATUS_TYPE_DOWN", "TUNNEL_STATUS_TYPE_HEALTHY"],
    });
  });

  it("keeps a bucket for backups, which outlives the stack", async () => {
    const bucket = program.named(BUCKET, "omniai-prod-backups");
    assert.equal(bucket.protect && bucket.retainOnDelete, true);
    const without = await record("prod", { ...tunnelConfig, cloudflareBackups: false }, SECRETS);
    assert.deepEqual(without.of(BUCKET), []);
  });

  it("gives another bucket another name: the old one is still there when a stack is made again", () => {
    assert.equal(program.named(BUCKET, "omniai-prod-backups").inputs["name"], "omniai-prod-backups-0a1b2c");
    program.named("random:index/randomId:RandomId", "omniai-prod-backups");
  });

  it("goes in two steps: what the second one removes, the first one no longer protects", async () => {
    const closing = await record("prod", { ...tunnelConfig, tunnelClosing: true }, SECRETS);
    const off = await record("prod", { ...tunnelConfig, tunnelEnabled: false }, SECRETS);
    const left = new Set(off.resources.map(({ type, name }) => `${type} ${name}`));
    const removed = closing.resources.filter(({ type, name }) => !left.has(`${type} ${name}`));
    for (const type of [TUNNEL, TUNNEL_CONFIG, BUCKET, RECORD])
      assert.ok(
        removed.some((resource) => resource.type === type),
        type,
      );
    assert.deepEqual(
      removed.filter(({ protect }) => protect).map(({ type, name }) => `${type} ${name}`),
      [],
    );
    assert.equal(closing.named(BUCKET, "omniai-prod-backups").retainOnDelete, true, "the backups stay");
  });

  it("hands out the public URL, the same to people and to the page", () => {
    assert.deepEqual(program.outputs["urls"], { public: "https://api.example.org" });
    const variables = program.of(CONTAINER).find(({ name }) => name.startsWith("omniai-prod-backend-1"))
      ?.inputs["envs"];
    assert.ok((variables as string[]).includes("OMNIAI_TUNNEL_URL=https://api.example.org"));
    const { apiBaseUrl } = program.outputs["runtimeConfig"] as { apiBaseUrl: string };
    assert.equal(apiBaseUrl, "https://api.example.org");
    assert.deepEqual(program.outputs["cloudflare"], {
      tunnelId: "omniai-prod-id",
      hostname: "api.example.org",
      backupBucket: {
        name: "omniai-prod-backups-0a1b2c",
        endpoint: `https://${tunnelConfig.cloudflareAccountId}.r2.cloudflarestorage.com`,
      },
    });
  });
});
