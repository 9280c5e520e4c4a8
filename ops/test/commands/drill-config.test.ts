/** The config of a drill's stack: one that the program takes, whatever the original has, and that leads nowhere out. */
import { strict as assert } from "node:assert";
import { parse, stringify } from "yaml";
import { parseConfig } from "../../../infra/config/problems.ts";
import { configSchema } from "../../../infra/config/schema.ts";
import { externalConfig } from "../../../infra/test/support/external-config.ts";
import { drillFile } from "../../commands/drill/config.ts";
import { ownKeys, readDefaults, type Values } from "../../stack/config-files.ts";
import { ROOT } from "../../stack/place.ts";

describe("the config of a drill's stack", () => {
  const original = `encryptionsalt: v1:abc
config:
  omniai:environment: prod
  omniai:dockerHost: ssh://deploy@host
  omniai:tunnelEnabled: true
  omniai:pagesEnabled: true
  omniai:httpPort: 80
  omniai:backendReplicas: 3
  omniai:offsiteBucket: https://s3.example.org/copies
  omniai:cloudflareApiToken:
    secure: v1:def
`;
  const file = parse(drillFile(original, "omniai", { httpPort: 20001, httpsPort: 20002 })) as {
    encryptionsalt: string;
    config: Record<string, unknown>;
  };

  it("keeps what makes the stack, and its secrets as they are", () => {
    assert.equal(file.encryptionsalt, "v1:abc");
    assert.equal(file.config["omniai:backendReplicas"], 3);
    assert.deepEqual(file.config["omniai:cloudflareApiToken"], { secure: "v1:def" });
  });

  it("has no way in but the loopback, no way out, no host of another's, and never writes to the bucket", () => {
    for (const [key, value] of Object.entries({
      environment: "dev",
      dockerHost: "",
      tunnelEnabled: false,
      pagesEnabled: false,
      httpPort: 20001,
      offsiteBucket: "",
      backups: "always",
    }))
      assert.equal(file.config[`omniai:${key}`], value, key);
  });
});

/** A stack with every key set to another value than the default; what leads out of the stack ends with example.org. */
const everything: Values = {
  environment: "prod",
  hostMemory: 8192,
  hostCpus: 4,
  policyExceptions: [
    {
      rule: "image-pinned",
      resource: "omniai-prod-edge",
      reason: "until the registry has a digest",
      until: new Date(Date.now() + 30 * 86_400_000).toISOString().slice(0, 10),
    },
  ],
  dockerHost: "ssh://deploy@host.example.org:2222",
  platform: "swarm",
  registry: "registry.example.org:5000",
  overlayEncrypted: false,
  hostPrepare: true,
  hostAddress: "host.example.org",
  hostPort: 2222,
  hostUser: "deploy",
  hostKey: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE",
  hostPrivateKey: "-----BEGIN PRIVATE KEY-----\nMIGH\n-----END PRIVATE KEY-----\n",
  hostOpenPorts: [443],
  bindAddress: "0.0.0.0",
  bindAddressIpv6: "2001:db8::7",
  accessSubnet: "10.87.2.0/28",
  httpPort: 80,
  httpsPort: 443,
  publishPorts: "always",
  certificateHosts: ["api.example.org"],
  certificateSerial: 2,
  tls: "acme",
  acmeDirectory: "https://ca.example.org/directory",
  acmeAuthority: "-----BEGIN CERTIFICATE-----\nMIID\n-----END CERTIFICATE-----\n",
  acmeEmail: "ops@example.org",
  acmeCloudflareToken: "token",
  acmeMemory: 128,
  acmeCpus: "0.4",
  corsOrigins: ["https://page.example.org"],
  authMode: "both",
  pageSite: "same-site",
  sessionIdleMinutes: 30,
  sessionMaxHours: 6,
  accessTokenMinutes: 5,
  refreshTokenDays: 7,
  requestsPerMinute: 1000,
  failedLoginsPerUser: 5,
  failedLoginsPerAddress: 50,
  streamsPerUser: 5,
  auditDays: 30,
  webPush: true,
  webPushContact: "mailto:ops@example.org",
  webPushSerial: 2,
  tunnelEnabled: true,
  tunnelHostnames: ["api.example.org"],
  tunnelReplicas: 3,
  tunnelSubnet: "10.87.1.0/27",
  tunnelClosing: true,
  tunnelRateLimit: 100,
  tunnelMemory: 96,
  tunnelCpus: "0.4",
  cloudflareAccountId: "0".repeat(32),
  cloudflareZoneId: "1".repeat(32),
  cloudflareZone: "example.org",
  cloudflareApiToken: "token",
  cloudflareManageZone: false,
  cloudflareBackups: false,
  cloudflareWatch: true,
  cloudflareWatchSecretUrl: "https://ping.example.org",
  cloudflareWatchSecretToken: "token",
  cloudflareAlertEmails: ["ops@example.org"],
  pageAt: "pages",
  pageWithout: ["public", "reports"],
  pageMeasureSeconds: 30,
  pagePollSeconds: 20,
  pagesEnabled: true,
  pagesRepository: "owner/page",
  pagesSource: "workflow",
  pagesBranch: "site",
  pagesDomain: "page.example.org",
  pagesHttpsEnforced: true,
  githubToken: "token",
  backendReplicas: 3,
  backendMemory: 256,
  backendCpus: "0.8",
  backendStartSeconds: 30,
  clientReportsPerMinute: 100,
  postgresMemory: 512,
  postgresCpus: "0.9",
  postgresWalKeep: 512,
  redisMemory: 96,
  redisCpus: "0.4",
  backups: "auto",
  backupTime: "03:00",
  backupDays: 14,
  backupSynchronous: false,
  timeZone: "Europe/Berlin",
  backupMemory: 300,
  backupCpus: "0.4",
  offsiteBucket: "https://s3.example.org/copies",
  offsiteRegion: "eu-central-1",
  offsiteAccessKeyId: "id",
  offsiteSecretKey: "secret",
  offsiteKey: "key",
  offsiteAuthority: "-----BEGIN CERTIFICATE-----\nMIGH\n-----END CERTIFICATE-----\n",
  offsiteMinutes: 5,
  offsiteDays: 60,
  monitoring: "always",
  monitoringDays: 30,
  monitoringLogDays: 14,
  monitoringLogDisk: 2048,
  monitoringMemory: 160,
  monitoringCpus: "0.3",
  alertReceivers: [{ kind: "webhook", secret: "https://hook.example.org" }],
  watchdogSecretUrl: "https://ping.example.org",
  watchdogSeconds: 120,
  edgeMemory: 128,
  edgeCpus: "0.9",
  providers: [{ name: "one", baseUrl: "https://ai.example.org/v1", apiKey: "key" }],
  edgeHosts: ["api.example.org"],
  edgeResourcePolicy: "same-site",
  edgeConnections: 1000,
  edgeRequestRate: 500,
  edgeStreams: 500,
  edgeStreamRate: 100,
  edgeResponseSeconds: 10,
  eventRetention: 50_000,
  clientReportDays: 3,
  clientReportsMax: 10_000,
  ...externalConfig,
  databaseAuthority: "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
  redisAuthority: "-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----\n",
  switchSeconds: 8,
  drainSeconds: 10,
  logLevel: "debug",
  otlpEndpoint: "http://collector.example.org:4318",
  registryMirror: "mirror.example.org",
  postgresImage: "postgres:18-trixie",
  redisImage: "redis:8.2",
  nginxImage: "nginx:1.29-trixie",
  nodeImage: "node:24.1-trixie-slim",
  certbotImage: "certbot/dns-cloudflare:v5.0.0",
  cloudflaredImage: "cloudflare/cloudflared:2026.9.2",
  victoriaMetricsImage: "victoriametrics/victoria-metrics:v1.150.0",
  vmalertImage: "victoriametrics/vmalert:v1.150.0",
  alertmanagerImage: "prom/alertmanager:v0.33.0",
  nodeExporterImage: "prom/node-exporter:v1.11.0",
  victoriaLogsImage: "victoriametrics/victoria-logs:v1.52.0",
  vlagentImage: "victoriametrics/vlagent:v1.52.0",
};

/** One engine instead of a swarm, which does without most of the rest. */
const alone: Values = { platform: "docker", registry: "" };

const swarm: Values = {
  ...{ hostPrepare: false, tls: "generated", monitoring: "never", backups: "never", offsiteBucket: "" },
  ...{ tunnelEnabled: true, pageAt: "pages", bindAddressIpv6: "", webPush: false },
};

const own: Values = {
  ...alone,
  ...{ database: "container", databaseSecretUrl: "", databaseAuthority: "" },
  ...{ redis: "container", redisSecretUrl: "", redisAuthority: "" },
};

const synchronous: Values = { backups: "always", backupSynchronous: true };

/** What one config cannot have at once. */
const variants: Readonly<Record<string, Values>> = {
  "with a tunnel, a page, an engine of its own, and servers of others": { ...alone, offsiteBucket: "" },
  "on a swarm": swarm,
  "with servers of its own": own,
  "whose backups are synchronous": { ...own, ...synchronous },
  "whose bucket is the tunnel's": { ...own, offsiteBucket: "tunnel", cloudflareBackups: true },
};

describe("a drill of a stack that has every key set", () => {
  const defaults = readDefaults(ROOT).values;
  // As the program gets it: secrets are known to it, and encrypted in the file.
  const accept = (stack: string, values: Values) =>
    parseConfig(stack, { ...defaults, ...values }, { isEncrypted: () => true, environment: {} });
  const drilled = (values: Values): Record<string, unknown> => {
    const config = Object.fromEntries(Object.entries(values).map(([key, value]) => [`omniai:${key}`, value]));
    const text = drillFile(stringify({ config }), "omniai", { httpPort: 20001, httpsPort: 20002 });
    return ownKeys((parse(text) as Values)["config"], "omniai");
  };

  it("is tried with every key that there is, and none at its default", () => {
    assert.deepEqual(Object.keys(everything).sort(), Object.keys(configSchema.shape).sort());
    const set = { ...everything, ...synchronous };
    for (const [key, value] of Object.entries(set)) assert.notDeepEqual(value, defaults[key], key);
  });

  for (const [name, variant] of Object.entries(variants))
    it(`has a config that the program takes: one ${name}`, () => {
      const values = { ...everything, ...variant };
      accept("prod", values);
      accept("drill-0a1b2c", drilled(values));
    });

  it("knows no other address than those that lead to the same answers", () => {
    const left = Object.entries(drilled(everything)).filter(([, value]) =>
      JSON.stringify(value).includes("example.org"),
    );
    assert.deepEqual(left.map(([key]) => key).sort(), [
      // Nobody goes by these without certificates of an authority, the tunnel, the page, and the preparation of a host.
      ...["acmeDirectory", "acmeEmail", "cloudflareAlertEmails", "cloudflareZone"],
      // What the edge answers to a page; the page itself does not know the drill.
      "corsOrigins",
      "hostAddress",
      "pagesDomain",
      // It is asked which models it has, as by any stack.
      "providers",
      "registryMirror",
      "tunnelHostnames",
      // Nobody is pushed anything.
      "webPushContact",
    ]);
  });
});
