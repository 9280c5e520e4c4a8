/** The cache's config keys: what each may be, and what they become. */
import { z } from "zod";
import {
  certificates,
  cpus,
  image,
  where,
  within,
  type ConfigProblem,
  type Values,
} from "../../config/keys.ts";
import { secret, type Loaded } from "../../config/secrets.ts";
import { externalRules } from "../../config/server-url.ts";
import type { CacheArgs } from "./cache.ts";
import { parseRedisUrl } from "./url.ts";

export const cacheKeys = {
  redis: where,
  redisSecretUrl: secret(
    z.string().refine((text) => text === "" || parseRedisUrl(text) !== undefined),
  ).describe(
    "empty, or rediss://USER:PASSWORD@HOST:PORT (the user may be left out): TLS, so not redis://, one host, special " +
      "characters percent-encoded, no database but 0 and no parameter",
  ),
  redisAuthority: certificates,
  redisMemory: within(64, 1_048_576),
  redisCpus: cpus,
  redisImage: image,
};

export type CacheConfig = Values<typeof cacheKeys>;

export const CACHE_PROBLEMS: readonly ((config: CacheConfig) => ConfigProblem[])[] = externalRules("redis");

export const cacheArgs = (config: Loaded<CacheConfig>): Pick<CacheArgs, "image" | "memory" | "cpus"> => ({
  image: config.redisImage,
  memory: config.redisMemory,
  cpus: config.redisCpus,
});
