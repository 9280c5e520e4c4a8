/** Services with every property that the stack's have (support/read-back-swarm.ts), for the test of the docker plugin on a swarm. */
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";

const config = new pulumi.Config();
const IMAGE = config.require("image");
const VERSION = config.require("version");
const PASSWORD = config.require("password");
const REPLICAS = config.requireNumber("replicas");
const HEALTHY = config.requireBoolean("healthy");
const CONTAINER_LABEL = config.require("containerLabel");
const HOSTS = config.requireBoolean("hosts");
const PLATFORMS = config.requireBoolean("platforms");

const network = new docker.Network("network", {
  name: "omniai-test-app",
  driver: "overlay",
  internal: false,
  attachable: false,
  ipamConfigs: [{ subnet: "10.252.7.0/24", gateway: "10.252.7.1" }],
  labels: [{ label: "omniai.test", value: "1" }],
});
const base64 = (text: string): string => Buffer.from(text).toString("base64");
// The plugin would delete one with a name of its own before its successor is there, and a swarm refuses that while it is used.
const successorFirst = { deleteBeforeReplace: false };
const LABELS = [{ label: "omniai.test", value: "1" }];
const secret = new docker.Secret(
  "secret",
  { name: `omniai-test-${PASSWORD}`, data: base64(PASSWORD), labels: LABELS },
  successorFirst,
);
const file = new docker.ServiceConfig(
  "file",
  { name: `omniai-test-${VERSION}`, data: base64(VERSION), labels: LABELS },
  successorFirst,
);

const change = { parallelism: 1, monitor: "5s", maxFailureRatio: "0.0", delay: "0s" };
const containerSpec: docker.types.input.ServiceTaskSpecContainerSpec = {
  image: IMAGE,
  commands: ["sh", "-c"],
  args: ["trap 'exit 0' TERM; while :; do sleep 0.1; done"],
  user: "52525:52525",
  env: { VERSION, HEALTHY: String(HEALTHY), EQUALS: "a=b" },
  labels: [{ label: "omniai.test", value: CONTAINER_LABEL }],
  readOnly: true,
  capDrops: ["ALL"],
  init: true,
  mounts: [
    { type: "tmpfs", target: "/tmp", tmpfsOptions: { sizeBytes: 16 * 1024 * 1024, mode: 0o777 } },
    {
      type: "volume",
      source: "omniai-test-shared",
      target: "/etc/test/shared",
      readOnly: true,
      volumeOptions: {
        noCopy: true,
        driverName: "local",
        driverOptions: { type: "tmpfs", device: "tmpfs", o: "size=64k,mode=1777,nosuid,nodev,noexec" },
      },
    },
  ],
  healthcheck: {
    tests: ["CMD-SHELL", 'test "$HEALTHY" = true'],
    interval: "1s",
    timeout: "2s",
    retries: 2,
    // What fails within it is not counted: the swarm would go back that much later.
    startPeriod: HEALTHY ? "1m30s" : "1s",
  },
  // Not in the stand-in: given only by the test that it is refused.
  ...(HOSTS ? { hosts: [{ host: "a", ip: "127.0.0.1" }] } : {}),
  stopSignal: "SIGTERM",
  stopGracePeriod: "5s",
  secrets: [
    {
      secretId: secret.id,
      secretName: secret.name,
      fileName: "/etc/test/password",
      fileUid: "52525",
      fileGid: "52525",
      fileMode: 0o400,
    },
  ],
  configs: [
    {
      configId: file.id,
      configName: file.name,
      fileName: "/etc/test/version",
      fileUid: "52525",
      fileGid: "52525",
      fileMode: 0o444,
    },
  ],
};
const taskSpec: docker.types.input.ServiceTaskSpec = {
  containerSpec,
  resources: { limits: { memoryBytes: 32 * 1024 * 1024, nanoCpus: 500_000_000 } },
  // Without a window it reads back "0s", which is a change in every preview.
  restartPolicy: { condition: "any", delay: "1s", window: "0s" },
  networksAdvanceds: [{ id: network.id, aliases: ["app"] }],
  logDriver: { name: "json-file", options: { "max-size": "1m", "max-file": "2" } },
};

new docker.Service("replicated", {
  name: "omniai-test-replicated",
  labels: [{ label: "omniai.test", value: VERSION }],
  mode: { replicated: { replicas: REPLICAS } },
  endpointSpec: { mode: "dnsrr" },
  updateConfig: { ...change, order: "start-first", failureAction: "rollback" },
  rollbackConfig: { ...change, order: "start-first", failureAction: "pause" },
  taskSpec,
});

new docker.Service("everywhere", {
  name: "omniai-test-everywhere",
  mode: { global: true },
  endpointSpec: {
    mode: "dnsrr",
    ports: [{ targetPort: 80, publishedPort: 8080, protocol: "tcp", publishMode: "host" }],
  },
  updateConfig: { ...change, order: "stop-first", failureAction: "rollback" },
  taskSpec: {
    ...taskSpec,
    placement: {
      constraints: ["node.labels.omniai.edge==true"],
      ...(PLATFORMS ? { platforms: [{ os: "linux", architecture: "amd64" }] } : {}),
    },
  },
});
