/**
 * What the official docker plugin has in Pulumi's state after a refresh, for every property that the stack gives a
 * container, a network, a volume or an image (program/index.ts gives them the same): spelling, defaults and order.
 * Whatever reads back something else either shows a change on each `up`, or hides one that production would show.
 */

/** What only the run itself knows. */
export interface Made {
  readonly run: string;
  readonly ports: readonly [http: number, https: number];
  readonly imageId: string;
  /** The network with a generated name. */
  readonly network: string;
}

/** By property. */
export type Table = Readonly<Record<string, unknown>>;

/** One of the host's own, different for runs side by side (program/index.ts takes the same). */
const subnetOf = (port: number, first = 0): { subnet: string; gateway: string } => ({
  subnet: `10.251.${port % 256}.${first}/28`,
  gateway: `10.251.${port % 256}.${first + 1}`,
});

/** The same of IPv6. */
const subnetOfIpv6 = (port: number): { subnet: string; gateway: string } => ({
  subnet: `fd6f:6d6e:${port.toString(16)}::/64`,
  gateway: `fd6f:6d6e:${port.toString(16)}::1`,
});

/** What an address range has that the program leaves out. */
const rest = { auxAddress: {}, ipRange: "" };

const nameOf = (run: string): string => `omniai-toolchain-test-${run}`;

export const readBack = ({ run, ports, imageId, network }: Made): Readonly<Record<string, Table>> => ({
  "docker:index/container:Container::complete": {
    name: nameOf(run),
    image: imageId,
    entrypoints: ["sh", "-c"],
    command: ["trap 'exit 0' TERM; while :; do sleep 0.1; done"],
    user: "52525:52525",
    // Not read back: they stay as they were given, sorted.
    envs: ["A=1", "B=2"],
    labels: [
      { label: "omniai.test.another", value: "" },
      { label: "omniai.test.complete", value: run },
    ],
    readOnly: true,
    capabilities: { adds: [], drops: ["ALL"] },
    securityOpts: ["no-new-privileges:true"],
    init: true,
    tmpfs: { "/run": "rw,nosuid,nodev,noexec,size=1m", "/tmp": "rw,nosuid,nodev,noexec,size=16m" },
    volumes: [
      { volumeName: nameOf(run), containerPath: "/data", readOnly: true, fromContainer: "", hostPath: "" },
    ],
    networkMode: "bridge",
    networksAdvanced: [
      { name: network, aliases: ["complete"], ipv4Address: "", ipv6Address: "" },
      { name: nameOf(run), aliases: ["complete"], ipv4Address: "", ipv6Address: "" },
    ],
    ports: [
      { internal: 443, external: ports[1], ip: "127.0.0.1", protocol: "tcp" },
      { internal: 444, external: ports[1], ip: "::1", protocol: "tcp" },
      { internal: 8080, external: ports[0], ip: "127.0.0.1", protocol: "tcp" },
      { internal: 8082, external: ports[0], ip: "::1", protocol: "tcp" },
    ],
    healthcheck: {
      tests: ["CMD", "true"],
      interval: "1s",
      timeout: "2s",
      retries: 2,
      startPeriod: "1m30s",
      startInterval: "0s",
    },
    memory: 32,
    memorySwap: 32,
    memoryReservation: 0,
    cpuShares: 16,
    cpus: "1.0",
    shmSize: 16,
    restart: "unless-stopped",
    mustRun: true,
    logDriver: "json-file",
    logOpts: { "max-file": "3", "max-size": "10m" },
    stopSignal: "SIGTERM",
    stopTimeout: 3,
    destroyGraceSeconds: 3,
    wait: true,
    waitTimeout: 61,
  },
  "docker:index/network:Network::subnet": {
    name: nameOf(run),
    driver: "bridge",
    internal: false,
    ipamConfigs: [{ ...subnetOf(ports[0]), ...rest }],
    labels: [{ label: "omniai.test", value: run }],
  },
  "docker:index/network:Network::families": {
    name: `${nameOf(run)}-families`,
    driver: "bridge",
    internal: false,
    ipv6: true,
    ipamConfigs: [subnetOf(ports[0], 16), subnetOfIpv6(ports[0])].map((range) => ({ ...range, ...rest })),
    labels: [{ label: "omniai.test", value: run }],
  },
  "docker:index/volume:Volume::volume": {
    name: nameOf(run),
    labels: [{ label: "omniai.test", value: run }],
  },
  "docker:index/remoteImage:RemoteImage::image": {
    name: `omniai-toolchain-test:${run}`,
    imageId,
    keepLocally: false,
    triggers: { content: "1" },
    build: {
      context: "image",
      dockerfile: "Dockerfile",
      tags: [`omniai-toolchain-test:${run}`],
      buildArgs: { GREETING: "hello" },
      labels: { "omniai.test": run },
      remove: true,
      builder: "",
      useLegacyBuilder: false,
    },
  },
});
