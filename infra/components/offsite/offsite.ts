/** Copies off-site: what the backup room is told of them, and the gate through which they leave. */
import type * as pulumi from "@pulumi/pulumi";
import type { ArchiveFile } from "../../resources/archive.ts";
import type { WorkloadArgs } from "../../workload.ts";

export interface OffsiteArgs {
  /** Where the bucket is: scheme, host and port, such as https://s3.example.org. */
  readonly endpoint: string;
  /** As restic writes it: s3:ENDPOINT/BUCKET/STACK. */
  readonly repository: pulumi.Input<string>;
  /** Empty: the one that the bucket's service takes by itself. */
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretKey: pulumi.Output<string>;
  /** The operator's key. */
  readonly key: pulumi.Output<string>;
  /** A certificate in PEM of an authority beside the usual ones; empty for none. */
  readonly authority: string;
  /** Between two copies. */
  readonly minutes: number;
  /** Of how many days a copy is kept. */
  readonly days: number;
}

/** The workload's name, and so the host name by which the room reaches it. */
export const GATE = "offsite";
const PORT = 8888;
const SECRETS = "/run/secrets";
/** The same user as the room's. */
export const gateUser = { uid: 999, gid: 999 };

/** The room's files, beside its own. */
export const offsiteFiles = (
  args: OffsiteArgs,
  secretKey: string,
  key: string,
): Readonly<Record<string, ArchiveFile>> => ({
  "offsite-key": { content: `${key}\n` },
  "offsite-credentials": {
    content: `[default]\naws_access_key_id = ${args.accessKeyId}\naws_secret_access_key = ${secretKey}\n`,
  },
  ...(args.authority === "" ? {} : { "offsite-authority.pem": { content: args.authority } }),
});

/** The room's settings, beside its own. */
export const offsiteEnvironment = (args: OffsiteArgs): Readonly<Record<string, pulumi.Input<string>>> => ({
  OMNIAI_OFFSITE_REPOSITORY: args.repository,
  OMNIAI_OFFSITE_KEY_FILE: `${SECRETS}/offsite-key`,
  OMNIAI_OFFSITE_CREDENTIALS_FILE: `${SECRETS}/offsite-credentials`,
  ...(args.authority === "" ? {} : { OMNIAI_OFFSITE_AUTHORITY_FILE: `${SECRETS}/offsite-authority.pem` }),
  ...(args.region === "" ? {} : { AWS_DEFAULT_REGION: args.region }),
  OMNIAI_OFFSITE_MINUTES: String(args.minutes),
  OMNIAI_OFFSITE_DAYS: String(args.days),
  OMNIAI_OFFSITE_PROXY: `http://${GATE}:${PORT}`,
});

const escape = (text: string): string => text.replaceAll(/[.\\+*?()[\]{}|^$]/g, "\\$&");

/** Another server that the gate lets the room to. */
export interface Beside {
  readonly host: string;
  readonly port: number;
}

/** In seconds: how long a connection may be quiet. The bucket's are busy, and a count of many rows says nothing until it is done. */
const quiet = { bucket: 600, beside: 21_600 };

/**
 * The gate's files (tinyproxy.conf(5)). A filter that denies by default and sees whole addresses lets only this host at this
 * port through: as HOST:PORT of a CONNECT for https, as the beginning of an address for http. What is said to the bucket stays
 * between the room and the bucket.
 * @param beside a server that is reached by TLS of the room's own as well, with CONNECT; undefined for none.
 */
export function renderGate(endpoint: string, beside?: Beside): Readonly<Record<string, ArchiveFile>> {
  const { protocol, hostname, port } = new URL(endpoint);
  const number = port || (protocol === "https:" ? "443" : "80");
  const host = escape(hostname);
  const allowed =
    protocol === "https:"
      ? `^${host}:${number}$`
      : // A client leaves the usual port out.
        `^http://${host}${port === "" ? "(:80)?" : `:${number}`}/`;
  const connected = [...(protocol === "https:" ? [number] : []), ...(beside ? [String(beside.port)] : [])];
  return {
    "tinyproxy.conf": {
      content: [
        `Port ${PORT}`,
        `Timeout ${beside ? quiet.beside : quiet.bucket}`,
        "LogLevel Notice",
        "MaxClients 32",
        "DisableViaHeader Yes",
        `Filter "${SECRETS}/filter"`,
        "FilterType ere",
        "FilterURLs On",
        "FilterDefaultDeny Yes",
        // Without any, it would connect to every port.
        ...(connected.length === 0 ? ["0"] : connected).map((one) => `ConnectPort ${one}`),
        "",
      ].join("\n"),
    },
    filter: { content: [allowed, ...(beside ? [besidePattern(beside)] : []), ""].join("\n") },
  };
}

/** As it stands in a CONNECT, where an address of IPv6 has brackets. */
const besidePattern = ({ host, port }: Beside): string =>
  `^${escape(host.includes(":") ? `[${host}]` : host)}:${port}$`;

export interface GateArgs {
  readonly engine: WorkloadArgs["engine"];
  /** The room's image id: it has tinyproxy. */
  readonly image: pulumi.Input<string>;
  /** The folder that the image declares as a volume. */
  readonly folder: string;
  /** The data network, where the room is, and the way out. */
  readonly networks: readonly pulumi.Input<string>[];
  readonly files: { readonly volumeName: pulumi.Input<string>; readonly hash: pulumi.Input<string> };
}

export const planGate = ({ engine, image, folder, networks, files }: GateArgs): WorkloadArgs => ({
  engine,
  kind: "singleton",
  image,
  user: `${gateUser.uid}:${gateUser.gid}`,
  entrypoint: ["tinyproxy"],
  command: ["-d", "-c", `${SECRETS}/tinyproxy.conf`],
  networks,
  volumes: [{ volume: files.volumeName, path: SECRETS }],
  // PostgreSQL's image declares a volume there, which would be one that nobody named.
  tmpfs: { [folder]: "size=1m" },
  health: {
    // Whether it listens, without a connection that it would log. Whether the bucket answers is the room's matter.
    command: [
      "grep",
      "-q",
      `:${PORT.toString(16).toUpperCase().padStart(4, "0")} 00000000:0000 0A`,
      "/proc/net/tcp",
    ],
    interval: 15,
    startPeriod: 10,
  },
  memory: 32,
  cpus: "0.25",
  pids: 64,
  stopGrace: 10,
  configHash: files.hash,
});
