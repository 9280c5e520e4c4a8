/** The cache's config keys: what each may be, and what they become. */
import { cpus, image, within, type Values } from "../../config/keys.ts";
import type { CacheArgs } from "./cache.ts";

export const cacheKeys = {
  redisMemory: within(64, 1_048_576),
  redisCpus: cpus,
  redisImage: image,
};

export type CacheConfig = Values<typeof cacheKeys>;

export const cacheArgs = (config: CacheConfig): Pick<CacheArgs, "image" | "memory" | "cpus"> => ({
  image: config.redisImage,
  memory: config.redisMemory,
  cpus: config.redisCpus,
});
