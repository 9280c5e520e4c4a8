/** The address of a Redis that others run: what it may be, and what it says. Without Pulumi's SDK. */
import { parseServerUrl } from "../../config/server-url.ts";

/** What an address of Redis says. */
export interface CacheAddress {
  readonly host: string;
  readonly port: number;
  /** Empty for the server's default user. */
  readonly user: string;
  readonly password: string;
}

/** Pure: undefined for what the service could not connect to as the address says. */
export function parseRedisUrl(text: string): CacheAddress | undefined {
  const url = parseServerUrl(text, ["rediss:"], 6379);
  if (url === undefined || /\s/.test(url.user) || /[\r\n\0]/.test(url.password)) return undefined;
  // Only the first database: the service asks for no other.
  if (!["", "0"].includes(url.path) || Object.keys(url.parameters).length > 0) return undefined;
  const { host, port, user, password } = url;
  return { host, port, user, password };
}
