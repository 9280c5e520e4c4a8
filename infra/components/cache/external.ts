/** A Redis that others run: nothing of it is declared, and the service connects by TLS that is verified. */
import * as pulumi from "@pulumi/pulumi";
import type { Loaded } from "../../config/secrets.ts";
import type { CacheConnection } from "./cache.ts";
import type { CacheConfig } from "./config.ts";
import { planCacheMemory } from "./memory.ts";
import { parseRedisUrl, type CacheAddress } from "./url.ts";

/**
 * Where the service connects. Only the password is a secret: the rest stands in variables. `redisMemory` is that server's.
 * @throws Error where the address, which the config's rules want, is not there
 */
export function externalCache({
  redisSecretUrl,
  redisAuthority,
  redisMemory,
}: Loaded<Pick<CacheConfig, "redisSecretUrl" | "redisAuthority" | "redisMemory">>): CacheConnection {
  if (redisSecretUrl === undefined) throw new Error("omniai:redisSecretUrl is not set.");
  const address = redisSecretUrl.apply((text): CacheAddress => {
    const parsed = parseRedisUrl(text);
    if (parsed === undefined) throw new Error("omniai:redisSecretUrl is no address that can be used.");
    return parsed;
  });
  const inUrl = (host: string): string => (host.includes(":") ? `[${host}]` : host);
  return {
    url: pulumi.unsecret(address.apply(({ host, port }) => `rediss://${inUrl(host)}:${port}`)),
    user: pulumi.unsecret(address.apply(({ user }) => user)),
    password: pulumi.secret(address.apply(({ password }) => password)),
    eventLogBytes: planCacheMemory(redisMemory).eventLog,
    tls: { authority: redisAuthority },
    ready: [],
  };
}
