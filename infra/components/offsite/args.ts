/** What the config of copies off-site becomes. */
import * as pulumi from "@pulumi/pulumi";
import type { Loaded } from "../../config/secrets.ts";
import type { BackupBucket } from "../tunnel/tunnel.ts";
import { TUNNEL_BUCKET, type OffsiteConfig } from "./config.ts";
import type { OffsiteArgs } from "./offsite.ts";

/** @param bucket of the tunnel. @returns undefined for a stack without copies off-site */
export function offsiteArgs(
  config: Loaded<OffsiteConfig>,
  bucket: BackupBucket | undefined,
): OffsiteArgs | undefined {
  const named = config.offsiteBucket;
  if (named === "") return undefined;
  const endpoint = named === TUNNEL_BUCKET ? bucket?.endpoint : new URL(named).origin;
  const path = named === TUNNEL_BUCKET ? bucket?.name : new URL(named).pathname.slice(1);
  if (endpoint === undefined || path === undefined) return undefined;
  return {
    endpoint,
    repository: pulumi.interpolate`s3:${endpoint}/${path}/${pulumi.getStack()}`,
    region: config.offsiteRegion,
    accessKeyId: config.offsiteAccessKeyId,
    secretKey: config.offsiteSecretKey ?? pulumi.secret(""),
    key: config.offsiteKey ?? pulumi.secret(""),
    authority: config.offsiteAuthority,
    minutes: config.offsiteMinutes,
    days: config.offsiteDays,
  };
}
