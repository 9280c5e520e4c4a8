/** A small stack that uses every plugin, for the test of the toolchain. */
import * as command from "@pulumi/command";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";

const config = new pulumi.Config();
const RUN = config.require("run");
const VERSION = config.require("version");
const HEALTHY = config.requireBoolean("healthy");
const CPU_PERIOD = config.requireNumber("cpuPeriod");
const HTTP_PORT = config.requireNumber("httpPort");
const HTTPS_PORT = config.requireNumber("httpsPort");
const CPUS = config.require("cpus");

const image = new docker.RemoteImage("image", {
  name: `omniai-toolchain-test:${RUN}`,
  build: {
    context: "image",
    tags: [`omniai-toolchain-test:${RUN}`],
    buildArgs: { GREETING: "hello" },
    // The official plugin hands on the one with a builder of its own, the other with the engine's.
    label: { "omniai.test": RUN },
    labels: { "omniai.test": RUN },
  },
  triggers: { content: "1" },
  keepLocally: false,
});
const network = new docker.Network("network", { internal: true });
const subnet = new docker.Network("subnet", {
  name: `omniai-toolchain-test-${RUN}`,
  driver: "bridge",
  internal: false,
  ipamConfigs: [{ subnet: `10.251.${HTTP_PORT % 256}.0/28`, gateway: `10.251.${HTTP_PORT % 256}.1` }],
  labels: [{ label: "omniai.test", value: RUN }],
});
// Both families, as a network of visitors by IPv6 has them.
const GROUP = HTTP_PORT.toString(16);
new docker.Network("families", {
  name: `omniai-toolchain-test-${RUN}-families`,
  driver: "bridge",
  internal: false,
  ipv6: true,
  ipamConfigs: [
    { subnet: `10.251.${HTTP_PORT % 256}.16/28`, gateway: `10.251.${HTTP_PORT % 256}.17` },
    { subnet: `fd6f:6d6e:${GROUP}::/64`, gateway: `fd6f:6d6e:${GROUP}::1` },
  ],
  labels: [{ label: "omniai.test", value: RUN }],
});
const volume = new docker.Volume("volume", {
  name: `omniai-toolchain-test-${RUN}`,
  labels: [{ label: "omniai.test", value: RUN }],
});
const password = new random.RandomPassword("password", { length: 24, special: false });

const container = new docker.Container(
  "container",
  {
    image: image.imageId,
    command: ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done"],
    envs: [`VERSION=${VERSION}`, `HEALTHY=${HEALTHY}`],
    // The engine counts the processes of a user over all containers, so no other container may run as this one.
    user: "52525:52525",
    labels: [{ label: "omniai.test.app", value: RUN }],
    readOnly: true,
    capabilities: { drops: ["ALL"] },
    securityOpts: ["no-new-privileges:true"],
    tmpfs: { "/tmp": "rw,noexec,nosuid,size=16m" },
    init: true,
    logDriver: "json-file",
    logOpts: { "max-size": "1m", "max-file": "2" },
    memory: 64,
    memorySwap: 64,
    cpuShares: 256,
    cpus: "0.5",
    // Not in the stand-in: given only by the test that it is refused.
    ...(CPU_PERIOD > 0 ? { cpuPeriod: CPU_PERIOD } : {}),
    // Not nproc: that counts what the same user runs in all containers of the host.
    ulimits: [{ name: "nofile", soft: 64, hard: 64 }],
    healthcheck: {
      tests: ["CMD-SHELL", 'test "$HEALTHY" = true'],
      interval: "1s",
      timeout: "2s",
      retries: 2,
    },
    wait: true,
    // Long on a busy machine, where it will be healthy; short where it never will.
    waitTimeout: HEALTHY ? 60 : 6,
    destroyGraceSeconds: 5,
    networkMode: "bridge",
    networksAdvanced: [{ name: network.id, aliases: ["app"] }],
    mounts: [{ type: "volume", source: volume.name, target: "/data", readOnly: true }],
    restart: "unless-stopped",
  },
  { deleteBeforeReplace: false, replaceOnChanges: ["healthcheck", "#initerror"] },
);

new docker.Container("carrier", {
  image: image.imageId,
  command: ["true"],
  start: false,
  mustRun: false,
  networkMode: "none",
  labels: [{ label: "omniai.test.carrier", value: RUN }],
  volumes: [{ volumeName: volume.name, containerPath: "/data" }],
  uploads: [{ file: "/data/version", content: VERSION }],
});

// Everything that a container of the stack is given: support/read-back.ts says what each comes back as.
new docker.Container("complete", {
  name: `omniai-toolchain-test-${RUN}`,
  image: image.imageId,
  entrypoints: ["sh", "-c"],
  command: ["trap 'exit 0' TERM; while :; do sleep 0.1; done"],
  user: "52525:52525",
  envs: ["B=2", "A=1"],
  labels: [
    { label: "omniai.test.complete", value: RUN },
    { label: "omniai.test.another", value: "" },
  ],
  readOnly: true,
  capabilities: { drops: ["ALL"] },
  securityOpts: ["no-new-privileges:true"],
  init: true,
  tmpfs: { "/tmp": "rw,nosuid,nodev,noexec,size=16m", "/run": "rw,nosuid,nodev,noexec,size=1m" },
  volumes: [{ volumeName: volume.name, containerPath: "/data", readOnly: true }],
  networkMode: "bridge",
  networksAdvanced: [
    { name: subnet.name, aliases: ["complete"] },
    { name: network.name, aliases: ["complete"] },
  ],
  // A port of the container for each address of the host: two addresses of one come back in the engine's order.
  ports: [
    { internal: 8080, external: HTTP_PORT, ip: "127.0.0.1", protocol: "tcp" },
    { internal: 443, external: HTTPS_PORT, ip: "127.0.0.1", protocol: "tcp" },
    { internal: 8082, external: HTTP_PORT, ip: "::1", protocol: "tcp" },
    { internal: 444, external: HTTPS_PORT, ip: "::1", protocol: "tcp" },
  ],
  healthcheck: {
    tests: ["CMD", "true"],
    interval: "1s",
    timeout: "2s",
    retries: 2,
    startPeriod: "1m30s",
  },
  memory: 32,
  memorySwap: 32,
  cpuShares: 16,
  cpus: CPUS,
  shmSize: 16,
  restart: "unless-stopped",
  mustRun: true,
  logDriver: "json-file",
  logOpts: { "max-size": "10m", "max-file": "3" },
  stopSignal: "SIGTERM",
  stopTimeout: 3,
  destroyGraceSeconds: 3,
  wait: true,
  waitTimeout: 61,
});

const told = new command.local.Command(
  "told",
  {
    create: 'cat; echo " $GREETING $VERSION"',
    delete: "true",
    stdin: password.result,
    environment: { GREETING: "hello", VERSION: VERSION },
    triggers: [VERSION],
    logging: "none",
  },
  // As infra does it: the official plugin keeps what a command prints in plain state.
  { dependsOn: [container], additionalSecretOutputs: ["stdout", "stderr"] },
);

export const name = container.name;
export const secret = password.result;
export const stdout = told.stdout;
