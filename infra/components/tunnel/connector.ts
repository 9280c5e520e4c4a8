/** cloudflared, the process that holds the tunnel's connections: what it is, without how it becomes containers. */
import type * as pulumi from "@pulumi/pulumi";
import type { WorkloadArgs } from "../../workload.ts";

export interface ConnectorArgs {
  readonly engine: WorkloadArgs["engine"];
  /** The image id of cloudflared 2025.4.0 or newer, the first with --token-file. */
  readonly image: pulumi.Input<string>;
  /** The tunnel's network and the way out, and where it is watched that of the metrics. */
  readonly networks: readonly pulumi.Input<string>[];
  readonly replicas: number;
  /** The volume that has the token, and what stands for its content. */
  readonly secrets: { readonly volumeName: pulumi.Input<string>; readonly hash: pulumi.Input<string> };
  /** The memory limit in MiB. */
  readonly memory: number;
  /** The CPU limit in cores. */
  readonly cpus: string;
  /** What has to be there as long as a connector runs. */
  readonly dependsOn: readonly pulumi.Resource[];
}

/** The image's own user "nonroot". */
export const connectorUser = { uid: 65532, gid: 65532 };
export const TOKEN_FILE = "token";

export const SECRETS = "/run/secrets";
/** Where a connector serves its metrics; only the monitoring and the edge share a network with it. */
export const CONNECTOR_METRICS_PORT = 20241;
/** How long cloudflared lets requests end after SIGTERM, in seconds: its own default, written out. */
const GRACE_SECONDS = 30;

/**
 * The token of a tunnel, as the API would hand it out (cloudflared, connection.TunnelToken): where it is, which one it is,
 * and its secret in base64.
 */
export const renderToken = (accountId: string, tunnelId: string, secret: string): string =>
  Buffer.from(JSON.stringify({ a: accountId, t: tunnelId, s: secret })).toString("base64");

/** The process, wherever it runs. */
export const planProcess = (args: Omit<ConnectorArgs, "secrets" | "replicas">) => ({
  engine: args.engine,
  image: args.image,
  user: `${connectorUser.uid}:${connectorUser.gid}`,
  // The image's entry point is cloudflared.
  command: [
    ...[
      "tunnel",
      "--no-autoupdate",
      "--metrics",
      `0.0.0.0:${CONNECTOR_METRICS_PORT}`,
      "--grace-period",
      `${GRACE_SECONDS}s`,
    ],
    ...["run", "--token-file", `${SECRETS}/${TOKEN_FILE}`],
  ],
  networks: args.networks,
  health: {
    // The image has no shell and no curl; `ready` is healthy only while there is a connection to Cloudflare.
    command: ["cloudflared", "tunnel", "--metrics", `127.0.0.1:${CONNECTOR_METRICS_PORT}`, "ready"],
    interval: 10,
    timeout: 5,
    startPeriod: 60,
  },
  memory: args.memory,
  cpus: args.cpus,
  stopGrace: GRACE_SECONDS + 10,
  dependsOn: args.dependsOn,
});

export const planConnector = (args: ConnectorArgs): WorkloadArgs => ({
  ...planProcess(args),
  // A new connector is there before an old one goes: Cloudflare sends requests to whichever is connected.
  kind: "replaceable",
  replicas: args.replicas,
  volumes: [{ volume: args.secrets.volumeName, path: SECRETS }],
  pids: 128,
  configHash: args.secrets.hash,
});
