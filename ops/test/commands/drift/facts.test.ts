/** How a container on the engine is compared with its declaration. */
import { strict as assert } from "node:assert";
import type { ContainerInspectInfo } from "dockerode";
import { pidsLimits } from "../../../commands/drift/compare.ts";
import { declaredFacts, differences, liveFacts, seconds } from "../../../commands/drift/facts.ts";

/** As the program declares a container (planContainer), and as an engine then has it. */
const inputs = {
  image: "sha256:1",
  envs: ["A=1", "URL=http://x?a=b"],
  labels: [{ label: "io.omniai.stack", value: "dev" }],
  user: "1000:1000",
  readOnly: true,
  init: true,
  capabilities: { drops: ["ALL"] },
  securityOpts: ["no-new-privileges:true"],
  healthcheck: { tests: ["CMD", "true"], interval: "5s", timeout: "3s", retries: 3, startPeriod: "1m30s" },
  memory: 128,
  memorySwap: 128,
  cpus: "0.5",
  restart: "unless-stopped",
  logDriver: "json-file",
  logOpts: { "max-size": "10m", "max-file": "3" },
  tmpfs: { "/tmp": "rw,size=16m" },
  volumes: [{ volumeName: "files", containerPath: "/run/secrets", readOnly: true }],
  networksAdvanced: [{ name: "data" }, { name: "app" }],
  ports: [{ ip: "127.0.0.1", external: 8080, internal: 80 }],
  stopTimeout: 20,
};
const image = { Env: ["PATH=/bin"], Labels: { maker: "x" }, Cmd: ["serve"], Entrypoint: ["entry"] };

const live = {
  Image: "sha256:1",
  Config: {
    Env: ["URL=http://x?a=b", "A=1", "PATH=/bin"],
    Labels: { maker: "x", "io.omniai.stack": "dev" },
    User: "1000:1000",
    Entrypoint: ["entry"],
    Cmd: ["serve"],
    Healthcheck: { Test: ["CMD", "true"], Interval: 5e9, Timeout: 3e9, Retries: 3, StartPeriod: 90e9 },
    StopTimeout: 20,
  },
  HostConfig: {
    PidsLimit: 64,
    ReadonlyRootfs: true,
    Privileged: false,
    Init: true,
    CapDrop: ["ALL"],
    CapAdd: null,
    SecurityOpt: ["no-new-privileges:true"],
    Memory: 128 * 1024 ** 2,
    MemorySwap: 128 * 1024 ** 2,
    NanoCpus: 5e8,
    RestartPolicy: { Name: "unless-stopped" },
    LogConfig: { Type: "json-file", Config: { "max-file": "3", "max-size": "10m" } },
    Tmpfs: { "/tmp": "rw,size=16m" },
    PortBindings: { "80/tcp": [{ HostIp: "127.0.0.1", HostPort: "8080" }] },
  },
  Mounts: [{ Type: "volume", Name: "files", Destination: "/run/secrets", RW: false }],
  NetworkSettings: { Networks: { app: {}, data: {} } },
};

type Edit = (engine: typeof live) => void;
const compare = (edit: Edit = () => undefined, declared: Record<string, unknown> = inputs) => {
  const engine = structuredClone(live);
  edit(engine);
  return differences(
    "c",
    declaredFacts(declared, 64, image),
    liveFacts(engine as unknown as ContainerInspectInfo),
  );
};

describe("drift of a container", () => {
  it("is none where the engine has what was declared, in whatever order and unit", () => {
    assert.deepEqual(compare(), []);
  });

  const drifts: [string, Edit][] = [
    ["image", (engine) => (engine.Image = "sha256:2")],
    ["env A", (engine) => (engine.Config.Env[1] = "A=2")],
    ["env A", (engine) => engine.Config.Env.splice(1, 1)],
    ["env MORE", (engine) => engine.Config.Env.push("MORE=1")],
    ["label io.omniai.stack", (engine) => (engine.Config.Labels["io.omniai.stack"] = "prod")],
    ["health check", (engine) => (engine.Config.Healthcheck.Test = ["CMD", "false"])],
    ["health check interval", (engine) => (engine.Config.Healthcheck.Interval = 6e9)],
    ["health check start period", (engine) => (engine.Config.Healthcheck.StartPeriod = 0)],
    ["pids limit", (engine) => (engine.HostConfig.PidsLimit = 0)],
    ["user", (engine) => (engine.Config.User = "")],
    ["read-only root", (engine) => (engine.HostConfig.ReadonlyRootfs = false)],
    ["privileged", (engine) => (engine.HostConfig.Privileged = true)],
    ["capabilities dropped", (engine) => (engine.HostConfig.CapDrop = [])],
    ["security options", (engine) => (engine.HostConfig.SecurityOpt = [])],
    ["memory", (engine) => (engine.HostConfig.Memory *= 2)],
    ["cpus", (engine) => (engine.HostConfig.NanoCpus = 0)],
    ["restart", (engine) => (engine.HostConfig.RestartPolicy.Name = "no")],
    ["log options", (engine) => (engine.HostConfig.LogConfig.Config["max-size"] = "1g")],
    ["tmpfs", (engine) => (engine.HostConfig.Tmpfs["/tmp"] = "rw,exec")],
    ["mounts", (engine) => (engine.Mounts[0] = { ...live.Mounts[0]!, RW: true })],
    ["networks", (engine) => Object.assign(engine.NetworkSettings.Networks, { bridge: {} })],
    ["ports", (engine) => (engine.HostConfig.PortBindings["80/tcp"][0]!.HostIp = "0.0.0.0")],
    ["stop grace", (engine) => (engine.Config.StopTimeout = 1)],
  ];
  for (const [fact, edit] of drifts) {
    it(`is seen in its ${fact}`, () => {
      assert.deepEqual(
        compare(edit).map((difference) => difference.fact),
        [fact],
      );
    });
  }

  it("leaves out variables that the state keeps as a secret", () => {
    const secret = { ...inputs, envs: { "4dabf18193072939515e22adb298388d": "x", ciphertext: "y" } };
    assert.deepEqual(
      compare(() => undefined, secret),
      [],
    );
  });
});

describe("the declared pids limit", () => {
  it("is that of the command beside the container", () => {
    const urn = (type: string, name: string): string => `urn:pulumi:dev::omniai::${type}::${name}`;
    const limits = pidsLimits({
      resources: [
        {
          urn: urn("command:local:Command", "omniai-dev-edge"),
          type: "command:local:Command",
          inputs: { environment: { PIDS: "64" } },
        },
        { urn: urn("command:local:Command", "other"), type: "command:local:Command", inputs: {} },
      ],
    });
    assert.deepEqual([...limits], [["omniai-dev-edge", 64]]);
  });
});

describe("a duration", () => {
  for (const [text, value] of [
    ["5s", 5],
    ["1m30s", 90],
    ["1h0m1s", 3601],
    ["500ms", 0.5],
    ["", 0],
  ] as const) {
    it(`"${text}" is ${value} s`, () => assert.equal(seconds(text), value));
  }
});
