/** The configuration of Redis, made by pure functions, so that tests can read it and give it to a real server. */
import { createHash } from "node:crypto";
import { planCacheMemory } from "./memory.ts";

/**
 * Redis' own settings for a memory limit in MiB. With `appendfsync always`, what Redis answers is on disk: the service
 * acknowledges logins, logouts and revocations with nothing but that answer (docs/decisions/0072-appendfsync.md).
 */
export function renderRedisConfig(memory: number): string {
  return `# The event log and sessions live here: nothing may be evicted, and what was acknowledged is on disk.
port 6379
# Protected mode is for servers without users; this one has an ACL and a network without a way out.
protected-mode no
dir /data
aclfile /run/secrets/users.acl
appendonly yes
# An acknowledged event is on disk. With everysec a publisher waits for the next second's turn; with always, writes that
# come together share one.
appendfsync always
aof-load-truncated yes
# The process takes more than its data: gaps between them, and copies while the file is rewritten. It has to come up
# again with all of it, so only a part of the limit is for data.
maxmemory ${planCacheMemory(memory).maxmemory}mb
maxmemory-policy noeviction
# What clients send and have not taken yet counts too, and must not push the data out.
maxmemory-clients 25%
client-output-buffer-limit normal 16mb 8mb 10
save 900 1 300 100
# The backup room alone copies it as a replica does, once a day; it need not wait for others to come along.
repl-diskless-sync-delay 0
stop-writes-on-bgsave-error yes
tcp-keepalive 60
timeout 0
loglevel notice
logfile ""
`;
}

/**
 * The users of Redis. Nobody gets in without a name: the default user is off. It keeps every right all the same,
 * because Redis replays its append-only file as that user, and drops each transaction of the file that the user would
 * not be allowed: with fewer rights, a restart loses what was written by scripts.
 * The health check's user has no password, so none stands on a command line; it may only ask whether Redis is alive.
 * The file has a hash of the service's password, not the password.
 */
export function renderUsers(servicePassword: string, backupPassword?: string): string {
  const hash = (password: string): string => createHash("sha256").update(password).digest("hex");
  const backup =
    backupPassword === undefined
      ? ""
      : `user ${BACKUP_USER} on #${hash(backupPassword)} ${BACKUP_RULES.join(" ")}\n`;
  return `user default off resetpass ~* &* +@all
user ${HEALTH_USER} on nopass resetkeys resetchannels -@all +ping
user ${REDIS_USER} on #${hash(servicePassword)} ${SERVICE_RULES.join(" ")}
${backup}`;
}

const HEALTH_USER = "health";

/** redis-cli exits with 0 even for an error reply, so the check reads the reply. This user accepts any password. */
export const HEALTH_COMMAND = [
  "sh",
  "-c",
  `[ "$(redis-cli --user ${HEALTH_USER} --pass - --no-auth-warning ping)" = PONG ]`,
] as const;

/** The user that the backup room logs in as. */
export const BACKUP_USER = "omniai_backup";

/**
 * The backup room may copy all of it, as a replica does, and look where the event log is, to compare. It writes nothing.
 */
export const BACKUP_RULES: readonly string[] = [
  ...["resetkeys", "resetchannels", "%R~omniai:events:*", "-@all"],
  ...["+ping", "+info", "+sync", "+replconf", "+hmget", "+xlen", "+xrevrange"],
];

/** The user that the service logs in as. */
export const REDIS_USER = "omniai";

/**
 * The service may do only this: use its own keys, the event log's script and stream, durability, sessions and limits,
 * and ask what its health and diagnostics need. The service's tests run with these rules.
 */
export const SERVICE_RULES: readonly string[] = [
  ...["resetkeys", "resetchannels", "~omniai:*", "-@all"],
  // The connection itself.
  ...["+hello", "+auth", "+ping", "+client|setinfo", "+client|setname", "+info"],
  // The log: epoch, counter and entry change together in a script.
  ...["+eval", "+evalsha", "+exists", "+hmget", "+hset", "+hincrby", "+set"],
  ...["+xadd", "+xlen", "+xrange", "+xrevrange", "+xread", "+xtrim", "+xinfo|stream"],
  // The log's memory budget: the size of what was appended, and the memory use where no size was recorded.
  ...["+rpush", "+lpop", "+lindex", "+memory|usage"],
  // Posts by idempotency key, and the streams of each replica.
  ...["+get", "+mget", "+hgetall", "+hdel"],
  // Sessions, and the list of each user's sessions.
  ...["+del", "+pexpire", "+sadd", "+srem", "+smembers"],
  // Rate limits, in a script.
  ...["+incrby", "+pttl", "+expire"],
  // An event is on disk before it is acknowledged.
  "+waitaof",
];
