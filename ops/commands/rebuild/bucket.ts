/** Where the copies of a stack are: from its config, or from what a person says where there is none. */
import { readFileSync } from "node:fs";
import { offsiteKeys, TUNNEL_BUCKET } from "../../../infra/components/offsite/config.ts";
import type { Bucket } from "../../engine/one-off-room.ts";
import { readSettings, type KnownConfig } from "../../stack/settings.ts";
import { ROOT, type CommonOptions } from "../../stack/place.ts";
import { secretReader } from "../../stack/session.ts";
import { exit, OpsError } from "../../terminal/errors.ts";
import { askSecret, ask } from "../../terminal/prompt.ts";
import { parseKey } from "../backup/key.ts";

export interface BucketOptions extends CommonOptions {
  /** The bucket's address; default: the stack's omniai:offsiteBucket. */
  readonly bucket?: string;
  readonly region?: string;
  readonly accessKeyId?: string;
  /** A file in PEM. */
  readonly authority?: string;
}

/** Secrets come from these variables, the stack's config, or a question, and never from the command line. */
export const variables = { secretKey: "OMNIAI_OFFSITE_SECRET_KEY", key: "OMNIAI_OFFSITE_KEY" } as const;

/** @throws OpsError for what is missing or wrong */
export async function findBucket(options: BucketOptions): Promise<Bucket> {
  const { stack } = options;
  const config: KnownConfig = readSettings(ROOT, stack).config;
  const secretOf = secretReader(options);
  const address = options.bucket ?? config.offsiteBucket ?? "";
  if (address === "" || address === TUNNEL_BUCKET || !offsiteKeys.offsiteBucket.safeParse(address).success)
    throw new OpsError(
      address === TUNNEL_BUCKET
        ? `The bucket of stack ${stack} is its tunnel's, whose address only its state knows.`
        : `Where the copies of stack ${stack} are is not said${address === "" ? "" : `: "${address}" is no address of a bucket`}.`,
      "Name it: --bucket https://HOST/BUCKET, without the stack's name (npm run status shows it, with the name).",
      exit.usage,
    );
  const accessKeyId =
    options.accessKeyId ?? (config.offsiteAccessKeyId || (await ask("Access key id of the bucket: ")));
  const secretKey =
    process.env[variables.secretKey] ??
    (await secretOf("offsiteSecretKey")) ??
    (await askSecret("Secret of that access key (not shown): "));
  const key =
    process.env[variables.key] ??
    (await secretOf("offsiteKey")) ??
    (await askSecret("The operator's key (not shown): "));
  return {
    repository: `s3:${address}/${stack}`,
    region: options.region ?? config.offsiteRegion ?? "",
    accessKeyId,
    secretKey,
    key: parseKey(key),
    authority:
      options.authority === undefined
        ? (config.offsiteAuthority ?? "")
        : readFileSync(options.authority, "utf8"),
  };
}
