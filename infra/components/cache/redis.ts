/** What Redis is told: pure functions, so that a test can read and a real server can check them. */
import { createHash } from "node:crypto";

/** Redis' own settings for a memory limit in MiB. */
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
# Copy-on-write of a rewrite may need as much again, so not all of the limit is for data.
maxmemory ${Math.floor(memory * 0.6)}mb
maxmemory-policy noeviction
save 900 1 300 100
stop-writes-on-bgsave-error yes
tcp-keepalive 60
timeout 0
loglevel notice
logfile ""
`;
}

/**
 * The users of Redis. Whoever does not log in may only ask whether it is alive, which is what the health check does:
 * so no password stands on a command line. The file has hashes, not passwords.
 */
export function renderUsers(servicePassword: string): string {
  const hash = createHash("sha256").update(servicePassword).digest("hex");
  return `user default on nopass resetkeys resetchannels -@all +ping
user ${REDIS_USER} on #${hash} resetkeys resetchannels ~omniai:* &omniai:* ${SERVICE_COMMANDS.join(" ")}
`;
}

/** The user that the service logs in as. */
export const REDIS_USER = "omniai";

/**
 * What the service may do, and nothing else: its own keys, the event log's script and stream, durability, and the
 * questions that its health and diagnostics ask.
 */
const SERVICE_COMMANDS = [
  "-@all",
  // The connection itself.
  ...["+hello", "+auth", "+ping", "+client|setinfo", "+client|setname", "+info"],
  // The log: epoch, counter and entry change together in a script.
  ...["+eval", "+evalsha", "+exists", "+hmget", "+hset", "+hincrby", "+set"],
  ...["+xadd", "+xlen", "+xrange", "+xrevrange", "+xread", "+xtrim", "+xinfo|stream"],
  // On disk before it is acknowledged.
  "+waitaof",
];
