/**
 * What the official docker plugin has in Pulumi's state after a refresh for what a stack on a swarm is made of
 * (swarm-program/index.ts gives the same): the services, their network, and the files of their tasks.
 */
import type { Table } from "./read-back.ts";

/** What only the run itself knows: the image with its digest, and ids. */
export interface MadeOnSwarm {
  readonly image: string;
  readonly network: string;
  readonly secret: string;
  readonly config: string;
}

const LABELS = [{ label: "omniai.test", value: "1" }];

/** A change of a service; the durations in the spelling of Go. */
const change = { parallelism: 1, monitor: "5s", maxFailureRatio: "0.0", delay: "0s" };

const file = (fileName: string, fileMode: number): Table => ({
  fileName,
  fileUid: "52525",
  fileGid: "52525",
  fileMode,
});

const taskOf = ({ image, network, secret, config }: MadeOnSwarm): Table => ({
  containerSpec: {
    image,
    commands: ["sh", "-c"],
    args: ["trap 'exit 0' TERM; while :; do sleep 0.1; done"],
    user: "52525:52525",
    env: { VERSION: "1", HEALTHY: "true", EQUALS: "a=b" },
    labels: LABELS,
    readOnly: true,
    capDrops: ["ALL"],
    init: true,
    mounts: [
      {
        type: "volume",
        target: "/etc/test/shared",
        source: "omniai-test-shared",
        readOnly: true,
        volumeOptions: {
          noCopy: true,
          driverName: "local",
          driverOptions: { type: "tmpfs", device: "tmpfs", o: "size=64k,mode=1777,nosuid,nodev,noexec" },
        },
      },
      {
        type: "tmpfs",
        target: "/tmp",
        source: "",
        readOnly: false,
        tmpfsOptions: { sizeBytes: 16 * 1024 * 1024, mode: 0o777 },
      },
    ],
    healthcheck: {
      tests: ["CMD-SHELL", 'test "$HEALTHY" = true'],
      interval: "1s",
      timeout: "2s",
      retries: 2,
      startPeriod: "1m30s",
    },
    stopSignal: "SIGTERM",
    stopGracePeriod: "5s",
    secrets: [{ secretId: secret, secretName: "omniai-test-one", ...file("/etc/test/password", 0o400) }],
    configs: [{ configId: config, configName: "omniai-test-1", ...file("/etc/test/version", 0o444) }],
  },
  resources: { limits: { memoryBytes: 32 * 1024 * 1024, nanoCpus: 500_000_000 } },
  restartPolicy: { condition: "any", delay: "1s", window: "0s" },
  networksAdvanceds: [{ id: network, aliases: ["app"] }],
  logDriver: { name: "json-file", options: { "max-size": "1m", "max-file": "2" } },
  forceUpdate: 0,
});

export const readBackSwarm = (made: MadeOnSwarm): Readonly<Record<string, Table>> => ({
  "docker:index/network:Network::network": {
    name: "omniai-test-app",
    driver: "overlay",
    internal: false,
    attachable: false,
    labels: LABELS,
  },
  "docker:index/secret:Secret::secret": {
    name: "omniai-test-one",
    data: Buffer.from("one").toString("base64"),
    labels: LABELS,
  },
  "docker:index/serviceConfig:ServiceConfig::file": {
    name: "omniai-test-1",
    data: Buffer.from("1").toString("base64"),
    labels: LABELS,
  },
  "docker:index/service:Service::replicated": {
    name: "omniai-test-replicated",
    labels: LABELS,
    mode: { replicated: { replicas: 2 }, global: false },
    endpointSpec: { mode: "dnsrr" },
    updateConfig: { ...change, order: "start-first", failureAction: "rollback" },
    rollbackConfig: { ...change, order: "start-first", failureAction: "pause" },
    taskSpec: taskOf(made),
  },
  "docker:index/service:Service::everywhere": {
    name: "omniai-test-everywhere",
    mode: { global: true },
    endpointSpec: {
      mode: "dnsrr",
      ports: [{ name: "", targetPort: 80, publishedPort: 8080, protocol: "tcp", publishMode: "host" }],
    },
    updateConfig: { ...change, order: "stop-first", failureAction: "rollback" },
    taskSpec: {
      ...taskOf(made),
      placement: {
        constraints: ["node.labels.omniai.edge==true"],
        platforms: [{ os: "linux", architecture: "amd64" }],
      },
    },
  },
});
