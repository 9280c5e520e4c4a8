/** The config keys of copies off-site: what each may be, and what they contradict. */
import { z } from "zod";
import { certificates, token, within, type ConfigProblem, type Values } from "../../config/keys.ts";
import { secret } from "../../config/secrets.ts";
import type { BackupConfig } from "../backup/config.ts";
import type { TunnelConfig } from "../tunnel/config.ts";

/** The word for the R2 bucket that the tunnel's room declares. */
export const TUNNEL_BUCKET = "tunnel";

const address =
  /^https?:\/\/[a-z0-9.-]+(:[0-9]{1,5})?\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](\/[A-Za-z0-9._-]+)*$/;

export const offsiteKeys = {
  offsiteBucket: z
    .string()
    .refine((text) => text === "" || text === TUNNEL_BUCKET || address.test(text))
    .describe(
      "empty, the address of an S3 bucket with or without a folder, such as https://s3.eu-central-1.amazonaws.com/my-bucket, " +
        `or ${TUNNEL_BUCKET} for the R2 bucket of the tunnel`,
    ),
  offsiteRegion: z
    .string()
    .regex(/^[a-z0-9-]{0,40}$/)
    .describe("empty, or a region such as eu-central-1"),
  offsiteAccessKeyId: z
    .string()
    .regex(/^\S{0,200}$/)
    .describe("the id of an access key, without white space"),
  offsiteSecretKey: secret(token),
  offsiteKey: secret(token),
  offsiteAuthority: z
    .string()
    .refine((text) => text === "" || certificates.test(text))
    .describe("empty, or the certificate of an authority in PEM"),
  offsiteMinutes: within(1, 1440),
  offsiteDays: within(1, 3650),
};

export type OffsiteConfig = Values<typeof offsiteKeys>;

type Open = Omit<OffsiteConfig, "offsiteSecretKey" | "offsiteKey">;

function offsiteRules(
  config: Open & Pick<BackupConfig, "backups"> & Pick<TunnelConfig, "tunnelEnabled" | "cloudflareBackups">,
): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const refuse = (key: keyof typeof config, allowed: string): void => {
    problems.push({ key, value: config[key], allowed });
  };
  const { offsiteBucket: bucket } = config;
  if (bucket === "") return problems;
  if (config.backups === "never") refuse("backups", "auto or always with omniai:offsiteBucket");
  if (bucket === TUNNEL_BUCKET && !(config.tunnelEnabled && config.cloudflareBackups))
    refuse(
      "offsiteBucket",
      "the address of a bucket, because without omniai:tunnelEnabled and omniai:cloudflareBackups there is none of the tunnel",
    );
  if (config.offsiteAccessKeyId === "")
    refuse("offsiteAccessKeyId", "the id of an access key of the bucket with omniai:offsiteBucket");
  return problems;
}

/** Rules of their own: where a secret is encrypted and not known, a rule that reads it says nothing. */
const secretRule =
  (key: "offsiteSecretKey" | "offsiteKey", allowed: string) =>
  (config: Pick<OffsiteConfig, "offsiteBucket" | typeof key>): ConfigProblem[] =>
    config.offsiteBucket !== "" && config[key] === "" ? [{ key, value: "", allowed }] : [];

export const OFFSITE_PROBLEMS = [
  offsiteRules,
  secretRule("offsiteSecretKey", "the secret of the access key with omniai:offsiteBucket"),
  secretRule("offsiteKey", "the key that encrypts the copies, which `npm run backup -- key` makes"),
] as const;
