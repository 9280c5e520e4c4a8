/** The config keys of certificates from an ACME authority: what each may be, what they contradict, what they become. */
import { z } from "zod";
import {
  certificates,
  cpus,
  hostname,
  image,
  token,
  within,
  type ConfigProblem,
  type Values,
} from "../../config/keys.ts";
import { secret, type Loaded } from "../../config/secrets.ts";
import type { EdgeConfig } from "../edge/config.ts";
import { isWildcard, nameBelow } from "../edge/wildcard.ts";
import type { OffsiteConfig } from "../offsite/config.ts";
import type { CertificatesArgs } from "./certificates.ts";

export const acmeKeys = {
  acmeDirectory: z
    .string()
    .refine((text) => URL.canParse(text) && /^https:\/\/\S+$/.test(text))
    .describe("the https address of an ACME directory"),
  acmeAuthority: certificates,
  acmeEmail: z.union([z.literal(""), z.email()]).describe("empty, or an e-mail address"),
  acmeCloudflareToken: secret(token),
  acmeMemory: within(96, 65_536),
  acmeCpus: cpus,
  certbotImage: image,
};

export type AcmeConfig = Values<typeof acmeKeys>;

/** Where the room says of itself how it is, for Prometheus; see room/certificates/serve.py. */
export const CERTIFICATES_METRICS_PORT = 9471;

/** Let's Encrypt's own limit. */
const MOST_HOSTS = 100;

/** What an authority can certify, and how it gets to the edge. */
function acmeProblems(
  config: Pick<EdgeConfig, "tls" | "certificateHosts" | "publishPorts"> & { readonly tunnelEnabled: boolean },
): ConfigProblem[] {
  const { tls, certificateHosts, publishPorts, tunnelEnabled } = config;
  if (tls !== "acme") return [];
  const problems: ConfigProblem[] = [];
  if (
    certificateHosts.some((host) => !hostname.safeParse(nameBelow(host) ?? host).success) ||
    certificateHosts.every(isWildcard) ||
    certificateHosts.length > MOST_HOSTS
  ) {
    problems.push({
      key: "certificateHosts",
      value: certificateHosts,
      allowed: `1 to ${MOST_HOSTS} host names in lower case such as api.example.org with omniai:tls acme, at least one of them without *, and no addresses`,
    });
  }
  if (publishPorts === "never" || (publishPorts === "auto" && tunnelEnabled)) {
    problems.push({
      key: "tls",
      value: tls,
      allowed:
        "generated where the edge publishes no ports: visitors of the tunnel see Cloudflare's certificate",
    });
  }
  return problems;
}

/** A rule of its own: where the token is encrypted and not known, it says nothing. Authorities certify all names of a zone by DNS alone. */
const wildcardProblems = ({
  tls,
  certificateHosts,
  acmeCloudflareToken,
}: Pick<EdgeConfig, "tls" | "certificateHosts"> &
  Pick<AcmeConfig, "acmeCloudflareToken">): ConfigProblem[] =>
  tls === "acme" &&
  certificateHosts.some(isWildcard) &&
  !certificateHosts.every(isWildcard) &&
  acmeCloudflareToken === ""
    ? [
        {
          key: "certificateHosts",
          value: certificateHosts,
          allowed:
            "names without * unless omniai:acmeCloudflareToken is set: no answer of the edge proves whose all names of a zone are",
        },
      ]
    : [];

export const ACME_PROBLEMS = [acmeProblems, wildcardProblems] as const;

/** What the stack gives the room beside its config. */
type FromTheStack = "engine" | "networks" | "handover";

/** What the room is made from; undefined for a stack that does without an authority. */
export const certificatesArgs = (
  config: Loaded<
    AcmeConfig & Pick<EdgeConfig, "tls" | "certificateHosts"> & Pick<OffsiteConfig, "offsiteBucket">
  >,
): Omit<CertificatesArgs, FromTheStack> | undefined =>
  config.tls === "acme"
    ? {
        certbotImage: config.certbotImage,
        hosts: config.certificateHosts,
        directory: config.acmeDirectory,
        authority: config.acmeAuthority,
        email: config.acmeEmail,
        cloudflareToken: config.acmeCloudflareToken,
        // It goes nowhere but off-site.
        copied: config.offsiteBucket !== "",
        memory: config.acmeMemory,
        cpus: config.acmeCpus,
      }
    : undefined;
