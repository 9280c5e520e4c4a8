/** A stack on several machines: what its services are, what they are made from, and what config refuses. */
import { strict as assert } from "node:assert";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { gunzipSync } from "node:zlib";
import * as pulumi from "@pulumi/pulumi";
import { findProblems } from "../config/problems.ts";
import type { Engine } from "../resources/engine.ts";
import { repositoryOf, tagOf } from "../resources/published-image.ts";
import { planService, spelled, type ServiceArgs } from "../service.ts";
import { defaults } from "./defaults.ts";
import {
  COMMAND,
  CONTAINER,
  isSecret,
  record,
  secretValue,
  SERVICE,
  type Recording,
} from "./support/recorder.ts";
import { ownerValues } from "./support/stack-file.ts";
import { SWARM_SECRETS, swarmConfig } from "./support/swarm-config.ts";
import { SECRETS } from "./support/tunnel-config.ts";

const SECRET = "docker:index/secret:Secret";
const CONFIG = "docker:index/serviceConfig:ServiceConfig";
const NETWORK = "docker:index/network:Network";

interface Task {
  readonly containerSpec: {
    readonly image: string;
    readonly labels: readonly { label: string; value: string }[];
    readonly env: Readonly<Record<string, string>>;
    readonly secrets: readonly { secretName: string; fileName: string; fileMode: number; fileUid: string }[];
    readonly configs: readonly { configName: string; fileName: string }[];
    readonly stopGracePeriod: string;
    readonly healthcheck: { readonly tests: readonly string[] };
  };
  readonly networksAdvanceds: readonly { id: string; aliases: readonly string[] }[];
  readonly placement?: { readonly constraints?: readonly string[] };
}

const taskOf = (program: Recording, workload: string): Task =>
  program.named(SERVICE, `omniai-swarm-${workload}`).inputs["taskSpec"] as Task;

const decoded = (input: unknown): string => Buffer.from(secretValue(input), "base64").toString();

/** Compares with the file; UPDATE_SNAPSHOTS=1 writes it instead. */
function isAsBefore(name: string, text: string): void {
  const file = join(import.meta.dirname, "snapshots", "swarm", name);
  if (process.env["UPDATE_SNAPSHOTS"]) {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  assert.equal(text, readFileSync(file, "utf8"), `${file}: read the difference, then UPDATE_SNAPSHOTS=1`);
}

/** What differs with every change of the sources or of the page. Whether the commit is known depends on the checkout. */
const withoutHashes = (text: string): string =>
  text
    .replace(/ *"OMNIAI_COMMIT": "[0-9a-f]{40}",\n/, "")
    .replaceAll(/[0-9a-f]{64}/g, "DIGEST")
    .replaceAll(/\b[0-9a-f]{16}\b/g, "BUILD")
    .replaceAll(/\b[0-9a-f]{12}\b/g, "HASH");

describe("a stack on a swarm", () => {
  let program: Recording;
  before(async () => {
    program = await record("swarm", swarmConfig, SWARM_SECRETS);
  });

  it("is two services, and no container that another node could not have", () => {
    assert.deepEqual(
      program.of(SERVICE).map(({ name }) => name),
      ["omniai-swarm-backend", "omniai-swarm-edge"],
    );
    assert.deepEqual(program.of(CONTAINER), []);
    assert.deepEqual(program.outputs["containers"], {});
    assert.deepEqual(program.outputs["services"], {
      backend: ["omniai-swarm-backend"],
      edge: ["omniai-swarm-edge"],
    });
  });

  for (const workload of ["backend", "edge"])
    it(`renders the service ${workload} as it did`, () => {
      const { inputs } = program.named(SERVICE, `omniai-swarm-${workload}`);
      isAsBefore(`${workload}.json`, withoutHashes(`${JSON.stringify(inputs, undefined, 2)}\n`));
    });

  it("renders nginx.conf as it did: replicas by the one name that the DNS has for them, asked every second", () => {
    const config = program.of(CONFIG).find(({ name }) => name.endsWith("nginx.conf"));
    const text = decoded(config?.inputs["data"]);
    isAsBefore("nginx.conf", withoutHashes(text));
    assert.match(text, /resolver 127\.0\.0\.11 valid=1s ipv6=off;/);
    assert.match(text, /server tasks\.omniai-swarm-backend:8000 resolve max_fails=1 fail_timeout=5s;/);
    assert.doesNotMatch(text, /server \d+\.\d+\.\d+\.\d+:8000/);
    assert.match(text, /proxy_next_upstream_tries 4;/);
    // Where the task that switches maintenance can write; the edge's own folder is part of its release.
    assert.match(text, /if \(-f \/etc\/omniai\/maintenance\/maintenance\.json\)/);
    assert.match(text, /root \/etc\/omniai\/maintenance;/);
    assert.doesNotMatch(text, /edge\/maintenance/);
  });

  it("hands the page to the edge as an archive", () => {
    const page = program.of(CONFIG).find(({ name }) => name.endsWith("page.tar.gz"));
    const archive = Buffer.from(secretValue(page?.inputs["data"]), "base64");
    assert.match(gunzipSync(archive).toString("latin1"), /index\.html/);
  });

  it("has no replica ended because a database is away: only one that was never ready, or hangs, fails its check", () => {
    const { tests } = taskOf(program, "backend").containerSpec.healthcheck;
    assert.deepEqual(tests, ["CMD", "bash", "service/healthcheck.sh", "startupz"]);
  });

  it("takes every image by digest from the registry, which the engine brought there", () => {
    for (const workload of ["backend", "edge"]) {
      const { inputs } = program.named(COMMAND, `omniai-swarm-${workload}-push`);
      const { IMAGE, TARGET } = inputs["environment"] as Record<string, string>;
      assert.match(IMAGE ?? "", /^sha256:[0-9a-f]{64}$/);
      assert.equal(TARGET, `registry.example.org:5000/team/omniai/${workload}:${tagOf(IMAGE ?? "")}`);
      assert.match(
        taskOf(program, workload).containerSpec.image,
        new RegExp(`^registry\\.example\\.org:5000/team/omniai/${workload}@sha256:[0-9a-f]{64}$`),
      );
    }
  });

  it("has every secret in the swarm, for the one user that needs it, under a name that another content changes", async () => {
    const { secrets, env } = taskOf(program, "backend").containerSpec;
    assert.deepEqual(
      secrets.map(({ fileName, fileMode, fileUid }) => [fileName, fileMode, fileUid]),
      ["postgres-password", "redis-password", "auth-secret"].map((file) => [
        `/run/secrets/${file}`,
        0o400,
        "1000",
      ]),
    );
    assert.doesNotMatch(JSON.stringify(env), /canary/);
    const made = program.of(SECRET);
    assert.equal(made.length, 5);
    for (const { name, inputs, deleteBeforeReplace } of made) {
      assert.ok(isSecret(inputs["data"]), name);
      assert.equal(deleteBeforeReplace, false, name);
      assert.ok((inputs["name"] as string).length <= 64);
    }
    const other = {
      ...swarmConfig,
      redisSecretUrl: "rediss://default:canary-other@cache.example.org:6380/0",
    };
    const changed = taskOf(await record("swarm", other, SWARM_SECRETS), "backend").containerSpec;
    const namesOf = (task: Task["containerSpec"]): string[] =>
      task.secrets.map(({ secretName }) => secretName);
    assert.equal(
      namesOf(changed).filter((name) => namesOf({ ...changed, secrets }).includes(name)).length,
      0,
    );
    const releaseOf = (task: Task["containerSpec"]): string | undefined => task.env["TASK_RELEASE"];
    assert.deepEqual(changed.labels, taskOf(program, "backend").containerSpec.labels);
    assert.notEqual(releaseOf(changed), releaseOf(taskOf(program, "backend").containerSpec));
  });

  it("goes on to the edge when every replica is of this release, and waits for each service by a gate", () => {
    const { inputs } = program.named(COMMAND, "omniai-swarm-backend");
    const { TASKS, RELEASE, SERVICE: id } = inputs["environment"] as Record<string, string>;
    assert.equal(TASKS, "2");
    assert.equal(id, "omniai-swarm-backend-id");
    assert.match(RELEASE ?? "", /^[0-9a-f]{12}$/);
    assert.equal(RELEASE, taskOf(program, "backend").containerSpec.env["TASK_RELEASE"]);
    const gate = program.named(COMMAND, "omniai-swarm-edge").inputs["environment"] as Record<string, string>;
    assert.equal(gate["TASKS"], "");
    // A component stands for all that is in it.
    assert.ok(program.named(SERVICE, "omniai-swarm-edge").dependsOn.includes("omniai-swarm-backend"));
  });

  it("migrates on the manager, before any replica changes, and by a network that a container can join", () => {
    const migrate = program.named(COMMAND, "omniai-swarm-backend-migrate");
    assert.equal(
      (migrate.inputs["environment"] as Record<string, string>)["NETWORK"],
      "omniai-swarm-migration",
    );
    assert.equal(program.named(NETWORK, "omniai-swarm-migration").inputs["driver"], "bridge");
    assert.ok(
      program.named(SERVICE, "omniai-swarm-backend").dependsOn.includes("omniai-swarm-backend-migrate"),
    );
  });

  it("has overlay networks for services alone, encrypted unless the kernel cannot", async () => {
    const { inputs, ignoreChanges } = program.named(NETWORK, "omniai-swarm-app-encrypted");
    const { driver, attachable, options } = inputs;
    assert.deepEqual([driver, attachable, options], ["overlay", false, { encrypted: "true" }]);
    // The swarm adds to them.
    assert.deepEqual(ignoreChanges, ["options"]);
    const open = await record("swarm", { ...swarmConfig, overlayEncrypted: false }, SWARM_SECRETS);
    assert.equal(open.named(NETWORK, "omniai-swarm-app").inputs["options"], undefined);
    assert.deepEqual(taskOf(program, "edge").networksAdvanceds, [
      { id: "omniai-swarm-app-encrypted-id", aliases: ["edge"] },
    ]);
  });

  it("has a connector on each node of the edge behind a tunnel, and then no port and no gap in a change of the edge", async () => {
    const tunnel = {
      ...ownerValues["staging"],
      ...swarmConfig,
      bindAddress: "127.0.0.1",
      pagesEnabled: false,
    };
    const behind = await record("swarm", tunnel, [...SECRETS, ...SWARM_SECRETS]);
    const constraint = ["node.labels.omniai.edge==true"];
    for (const workload of ["edge", "cloudflared"]) {
      assert.deepEqual(taskOf(behind, workload).placement?.constraints, constraint);
      const { updateConfig, endpointSpec } = behind.named(SERVICE, `omniai-swarm-${workload}`).inputs;
      assert.equal((updateConfig as { order: string }).order, "start-first");
      assert.deepEqual(endpointSpec, { mode: "dnsrr", ports: [] });
    }
    const nginx = behind.of(CONFIG).find(({ name }) => name.endsWith("nginx.conf"));
    const subnet = /set_real_ip_from (10\.252\.\d+\.0\/24);/.exec(decoded(nginx?.inputs["data"]))?.[1];
    const [ipam] = behind.named(NETWORK, "omniai-swarm-tunnel-encrypted").inputs["ipamConfigs"] as {
      subnet: string;
    }[];
    assert.equal(ipam?.subnet, subnet);
    assert.deepEqual(
      taskOf(behind, "cloudflared").containerSpec.secrets.map(({ fileName }) => fileName),
      ["/run/secrets/token"],
    );
  });
});

describe("the config of a stack on a swarm", () => {
  const refused = (change: Readonly<Record<string, unknown>>): string[] =>
    findProblems({ ...defaults, ...swarmConfig, ...change }, { isEncrypted: () => true }).problems.map(
      ({ key }) => key,
    );

  it("is right with a registry, servers of others, and nothing that watches one engine", () =>
    assert.deepEqual(refused({}), []));

  for (const [key, value] of Object.entries({
    registry: "",
    database: "container",
    redis: "container",
    monitoring: "auto",
    backups: "always",
    offsiteBucket: "https://s3.example.org/copies",
    tls: "acme",
    bindAddress: "127.0.0.1",
    bindAddressIpv6: "2001:db8::1",
    switchSeconds: 3,
  }))
    it(`refuses ${key}: ${JSON.stringify(value)} by name`, () =>
      assert.ok(refused({ [key]: value }).includes(key)));

  it("takes any address where no port is published, and a registry only with a swarm", () => {
    const problems = (change: object) =>
      findProblems({ ...defaults, ...change }, { isEncrypted: () => true }).problems.map(({ key }) => key);
    assert.deepEqual(problems({ registry: "registry.example.org" }), ["registry"]);
    for (const registry of ["https://registry.example.org", "registry", "registry.example.org/", "a.b/x:1"])
      assert.ok(problems({ ...swarmConfig, registry }).includes("registry"), registry);
  });
});

describe("the plan of a service", () => {
  const args: ServiceArgs = {
    engine: {} as Engine,
    tasks: 3,
    image: pulumi.output("registry.example.org/omniai/x@sha256:0"),
    user: "1000:1000",
    networks: ["id"],
    tmpfs: { "/tmp": "size=16m,mode=1777" },
    health: { command: ["true"], interval: 5, timeout: 5, retries: 3, startPeriod: 15 },
    memory: 192,
    cpus: "0.5",
    stopGrace: 75,
  };

  it("replaces one task at a time, the new one first, goes back by itself, and looks for as long as a check may take to fail", () => {
    const { updateConfig, rollbackConfig } = planService("prod", "x", args).service;
    assert.deepEqual(updateConfig, {
      parallelism: 1,
      order: "start-first",
      monitor: "30s",
      failureAction: "rollback",
    });
    assert.deepEqual(rollbackConfig, {
      parallelism: 1,
      order: "start-first",
      monitor: "30s",
      failureAction: "pause",
    });
  });

  it("lets the old task go first only where both want a port of the node", () => {
    const ports = [{ internal: 8080, external: 80 }];
    const { service } = planService("prod", "x", { ...args, tasks: "edge nodes", ports });
    assert.equal((service.updateConfig as { order: string }).order, "stop-first");
    assert.deepEqual(service.endpointSpec, {
      mode: "dnsrr",
      ports: [{ targetPort: 8080, publishedPort: 80, protocol: "tcp", publishMode: "host" }],
    });
    assert.throws(
      () => planService("prod", "x", { ...args, ports }),
      /only a task that is alone on its node/,
    );
  });

  it("has the limits of a workload in the units of a swarm", () => {
    const { taskSpec } = planService("prod", "x", args).service;
    const { resources, containerSpec } = taskSpec as {
      resources: { limits: object };
      containerSpec: { mounts: object[]; stopGracePeriod: string };
    };
    assert.deepEqual(resources.limits, { memoryBytes: 192 * 1024 * 1024, nanoCpus: 500_000_000 });
    assert.equal(containerSpec.stopGracePeriod, "1m15s");
    assert.deepEqual(containerSpec.mounts, [
      { type: "tmpfs", target: "/tmp", tmpfsOptions: { sizeBytes: 16 * 1024 * 1024, mode: 0o777 } },
    ]);
  });

  it("shares memory of a node with others, and only reads it", () => {
    const nodeMemory = { "/shared": { volume: "omniai-prod-x-shared", size: 64 } };
    const { taskSpec } = planService("prod", "x", { ...args, tmpfs: {}, nodeMemory }).service;
    const { containerSpec } = taskSpec as { containerSpec: { mounts: object[] } };
    assert.deepEqual(containerSpec.mounts, [
      {
        type: "volume",
        source: "omniai-prod-x-shared",
        target: "/shared",
        readOnly: true,
        volumeOptions: {
          noCopy: true,
          driverName: "local",
          driverOptions: {
            type: "tmpfs",
            device: "tmpfs",
            o: "size=64k,mode=1777,nosuid,nodev,noexec",
          },
        },
      },
    ]);
  });

  it("refuses what a service cannot be", () => {
    for (const [change, message] of [
      [{ user: "0:0" }, /is root/],
      [{ tmpfs: { "/run": "size=16m,uid=999" } }, /has to be size=/],
      [{ environment: { GREETING: "{{.Node.ID}}" } }, /template/],
      [{ environment: { API_KEY: "x" } }, /looks like a secret/],
    ] as const)
      assert.throws(() => planService("prod", "x", { ...args, ...change }), message);
    assert.throws(() => planService("a".repeat(50), "backend", args), /longer than 63 characters/);
  });

  it("spells times as the provider reads them back", () => {
    assert.deepEqual([0, 5, 60, 90, 3600, 3661].map(spelled), ["0s", "5s", "1m", "1m30s", "1h", "1h1m1s"]);
  });

  it("keeps the images of all stacks in one place by workload", () =>
    assert.equal(repositoryOf({ registry: "r.example.org/team" }, "edge"), "r.example.org/team/omniai/edge"));
});
