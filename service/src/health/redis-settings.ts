/** Whether a Redis that others run keeps what it acknowledged, as far as it can be seen from here. */
import type { Logger } from "../platform/logging.ts";
import type { RedisLink } from "../platform/redis.ts";
import type { Check } from "./checks.ts";

/** What of INFO the service cannot do without, with what it means otherwise. */
const NEEDED: readonly { readonly name: string; readonly value: string; readonly otherwise: string }[] = [
  {
    name: "aof_enabled",
    value: "1",
    otherwise:
      "Redis keeps no append-only file, so no event can be acknowledged, and a restart there loses sessions; set appendonly yes",
  },
  {
    name: "maxmemory_policy",
    value: "noeviction",
    otherwise:
      "Redis throws data away when its memory is full, also sessions, revocations and events; set maxmemory-policy noeviction",
  },
  {
    name: "cluster_enabled",
    value: "0",
    otherwise:
      "Redis is a cluster, and the service's scripts use keys of several slots; use one with cluster mode off",
  },
];

/** What a provider does not show is not judged. */
const valueOf = (info: string, name: string): string | undefined =>
  info
    .split("\n")
    .find((line) => line.startsWith(`${name}:`))
    ?.slice(name.length + 1)
    .trim() || undefined;

/** Pure: everything in the answer to INFO that the service cannot work with. */
export const refusalsOf = (info: string): string[] =>
  NEEDED.filter(({ name, value }) => (valueOf(info, name) ?? value) !== value).map(({ otherwise, name }) => {
    return `${otherwise} (it is ${name}:${valueOf(info, name)})`;
  });

/**
 * Fails until the settings are right for the first time, so that a deploy ends there. Afterwards it only warns: a setting that
 * somebody changes must not take every replica out of service.
 */
export function redisSettingsCheck(
  link: Pick<RedisLink, "run">,
  deadlineMs: number,
  logger: Pick<Logger, "info" | "warn">,
): Check {
  let hasPassed = false;
  let hasToldFsync = false;
  return {
    name: "redis",
    measurement: "settings",
    componentType: "datastore",
    run: async () => {
      const info = await link.run(deadlineMs, (client) => client.info());
      const refusals = refusalsOf(info);
      if (!hasToldFsync) {
        tellFsync(await fsyncOf(link, deadlineMs), logger);
        hasToldFsync = true;
      }
      const value = refusals.length;
      if (value === 0) {
        hasPassed = true;
        return { value, unit: "settings" };
      }
      return { status: hasPassed ? "warn" : "fail", value, unit: "settings", note: refusals.join("; ") };
    },
  };
}

/** Undefined where the user may not ask, as with most providers. */
const fsyncOf = (link: Pick<RedisLink, "run">, deadlineMs: number): Promise<string | undefined> =>
  link
    .run(deadlineMs, (client) => client.configGet("appendfsync"))
    .then(({ appendfsync }) => appendfsync)
    .catch(() => undefined);

/** An event is safe in any case, because its publisher waits for the disk (WAITAOF). */
function tellFsync(appendfsync: string | undefined, logger: Pick<Logger, "info" | "warn">): void {
  if (appendfsync === "always") return;
  const loss =
    "a crash there can lose logins, logouts and revocations of its last moment; events wait for the disk";
  if (appendfsync === undefined)
    logger.info(
      { setting: "appendfsync" },
      `Redis does not say its appendfsync; unless it is always, ${loss}`,
    );
  else
    logger.warn({ setting: "appendfsync", value: appendfsync }, `Redis has not appendfsync always: ${loss}`);
}
