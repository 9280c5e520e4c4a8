/** What an edge is made from wherever it runs: its arguments, its certificate, and what nginx has to know. */
import * as pulumi from "@pulumi/pulumi";
import { policyOf, type SiteFile } from "../../../frontend/publish/site.ts";
import { localCommand } from "../../resources/command.ts";
import type { Engine } from "../../resources/engine.ts";
import { fromProgram } from "../../resources/program-folder.ts";
import { endOf, type CertificatePair } from "./certificate.ts";
import type { HeaderConfig } from "./headers.ts";
import { keepAliveLadder } from "./ladder.ts";
import type { EdgeLimits } from "./limits.ts";
import type { EdgeConfig } from "./nginx.ts";
import { isWildcard } from "./wildcard.ts";

export interface EdgeSettings {
  readonly engine: Engine;
  /** The image of nginx 1.27.4 or newer, with the official image's contract. */
  readonly image: string;
  readonly networks: readonly pulumi.Input<string>[];
  /** Whether ports are published on the host at all. */
  readonly publishPorts: boolean;
  /** Whether one of the addresses that they are published on is one of IPv6. */
  readonly ipv6: boolean;
  readonly httpPort: number;
  readonly httpsPort: number;
  /** What the generated certificate is for: DNS names and IP addresses. */
  readonly certificateHosts: readonly string[];
  /** Another number makes another certificate. */
  readonly certificateSerial: number;
  /** Whether certificates of an ACME authority are served instead, once there is one (components/certificates). */
  readonly acme: boolean;
  /** The port of the replicas. */
  readonly upstreamPort: number;
  /** How long a replica goes on serving after it was told to stop, in seconds. */
  readonly switchSeconds: number;
  /** How long a replica may take to begin its answer, in seconds; then it counts as hung. */
  readonly responseSeconds: number;
  /** The exact origins of pages that may read the edge's own answers. */
  readonly corsOrigins: readonly string[];
  /** What Cross-Origin-Resource-Policy says on every answer. */
  readonly resourcePolicy: HeaderConfig["resourcePolicy"];
  /** The hosts that are served, without a port; empty: any. */
  readonly hosts: readonly string[];
  /** The files of the page at `/`; empty: there is none. */
  readonly page: readonly SiteFile[];
  /** The limits of one client address. */
  readonly limits: EdgeLimits;
  /**
   * Who is trusted about the client's address: a tunnel, by the CIDRs of a network that only the tunnel and the edge are
   * on, and the header that the tunnel sets (CF-Connecting-IP). Default: nobody.
   */
  readonly realIp?: { readonly from: readonly pulumi.Input<string>[]; readonly header: string };
  /** The memory limit in MiB. */
  readonly memory: number;
  /** The CPU limit in cores. */
  readonly cpus: string;
}

/** The user of nginx in its image; the room that hands certificates over has the same one. */
export const user = { uid: 101, gid: 101 };

/** The certificate that the program generates, made once and kept in the state. */
export function createCertificate(
  args: Pick<EdgeSettings, "certificateHosts" | "certificateSerial">,
  parent: pulumi.Resource,
): pulumi.Output<CertificatePair> {
  const made = localCommand(
    `omniai-${pulumi.getStack()}-edge-certificate`,
    {
      // Only where there is one to expand: another script would make another certificate of every stack.
      script: `${args.certificateHosts.some(isWildcard) ? "set -f; " : ""}node "$SCRIPT" $HOSTS`,
      environment: {
        SCRIPT: fromProgram(`${import.meta.dirname}/certificate.ts`),
        HOSTS: args.certificateHosts.join(" "),
      },
      triggers: [args.certificateHosts.join(" "), args.certificateSerial],
    },
    { parent, additionalSecretOutputs: ["stdout", "stderr"] },
  );
  return pulumi.secret(made.stdout).apply((text) => JSON.parse(text) as CertificatePair);
}

/** When a certificate ends, as an ISO date and time. That is no secret. */
export const certificateEnds = (pair: pulumi.Output<CertificatePair>): pulumi.Output<string> =>
  pulumi.unsecret(pair.apply(({ certificate }) => endOf(certificate)));

/** Pure: what nginx has to know, but for what is known only in a deploy. */
export function settingsOf(args: EdgeSettings): Omit<EdgeConfig, "upstreams" | "release" | "tls" | "realIp"> {
  const {
    upstreamPort,
    responseSeconds,
    corsOrigins,
    resourcePolicy,
    hosts,
    limits,
    httpsPort,
    ipv6,
    memory,
  } = args;
  const pagePolicy = policyOf(args.page);
  const keepAlive = keepAliveLadder(args.switchSeconds);
  return {
    upstreamPort,
    responseSeconds,
    corsOrigins,
    resourcePolicy,
    hosts,
    limits,
    keepAlive,
    pagePolicy,
    ipv6,
    memory,
    ...(args.acme ? { acme: { httpsPort } } : {}),
  };
}
