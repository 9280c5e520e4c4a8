/** `node service/src/user.ts`: the program that `npm run user` runs in a replica. */
import { parseArgs } from "node:util";
import { pino } from "pino";
import { Audit } from "./auth/stores/audit.ts";
import { RedisRevocations } from "./auth/stores/redis-revocations.ts";
import { RedisSessionStore } from "./auth/stores/redis-sessions.ts";
import type { Revoked } from "./auth/stores/revocations.ts";
import { runUserCommand, UserCommandError, type UserCommand } from "./auth/user-commands.ts";
import { Users } from "./auth/stores/users.ts";
import { ConfigError, loadConfig, type Config } from "./platform/env/config.ts";
import { pause, reasonOf } from "./platform/deadline.ts";
import { createLogger, type Logger } from "./platform/logging.ts";
import { createPool } from "./platform/postgres.ts";
import { RedisLink, RedisUnavailableError } from "./platform/redis.ts";

/**
 * `node service/src/user.ts add|list|passwd|disable|enable [NAME] [--scopes A,B] [--password-stdin]`. It prints one line of
 * JSON, and exits with 0, with 1 when something failed, or with 2 when it was used wrongly. A password comes on standard
 * input, never as an argument.
 */
const MAX_INPUT_BYTES = 4096;
const REDIS_WAIT_MS = 5000;

async function readPassword(): Promise<string> {
  let text = "";
  for await (const chunk of process.stdin) {
    text += String(chunk);
    if (text.length > MAX_INPUT_BYTES) break;
  }
  return text.replace(/\r?\n$/, "");
}

/** @throws UserCommandError for arguments that it does not understand. */
async function commandOf(args: readonly string[]): Promise<UserCommand> {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { scopes: { type: "string" }, "password-stdin": { type: "boolean" } },
    });
    const [command = "", name, ...more] = positionals;
    if (more.length > 0) throw new Error(`unexpected arguments: ${more.join(" ")}`);
    const password = values["password-stdin"] ? await readPassword() : undefined;
    return { command, name, scopes: values.scopes, password };
  } catch (error) {
    throw new UserCommandError(reasonOf(error), "See the options: npm run user -- --help");
  }
}

/** Removes sessions and tells the replicas. The user is changed by then, so after a failure the command is repeated. */
async function revoke(config: Config, logger: Logger, revoked: Revoked): Promise<void> {
  const options = { idleMs: 6000, isPinging: true };
  const link = new RedisLink(config.redis, "omniai-user", logger, options);
  const unused = new RedisLink(config.redis, "omniai-user-reader", logger, options);
  link.open();
  try {
    for (const end = Date.now() + REDIS_WAIT_MS; !link.isReady; await pause(20)) {
      if (Date.now() > end) throw new RedisUnavailableError(`no connection within ${REDIS_WAIT_MS} ms`);
    }
    // The sessions first: a stream that comes back right after its end must not find its session.
    await new RedisSessionStore(link, config.auth.sessionMaxMs).removeOf(revoked.userId);
    await new RedisRevocations(link, unused, config.auth.accessTokenMs, logger).tell(revoked);
  } catch (error) {
    throw new Error(
      `The user was changed, but the open logins could not be ended: ${reasonOf(error)}. Run the command again.`,
      { cause: error },
    );
  } finally {
    link.close();
  }
}

async function main(): Promise<object> {
  const asked = await commandOf(process.argv.slice(2));
  const config = loadConfig(process.env);
  const logger = createLogger(
    { level: "error", replica: config.replica, build: config.build },
    pino.destination({ dest: 2, sync: true }),
  );
  const pool = createPool(config.postgres, "omniai-user", logger);
  try {
    const audit = new Audit(pool, config.replica, config.auth.audit, logger);
    return await runUserCommand(asked, {
      users: new Users(pool),
      revoke: (revoked) => revoke(config, logger, revoked),
      record: (entry) => audit.record(entry),
    });
  } finally {
    await pool.end();
  }
}

function explain(error: unknown): { what: string; remedy: string } {
  if (error instanceof UserCommandError) return { what: error.message, remedy: error.remedy };
  if (error instanceof ConfigError)
    return { what: error.message, remedy: "Correct the replica's environment." };
  return { what: reasonOf(error), remedy: "Check the database and Redis: npm run health" };
}

try {
  console.log(JSON.stringify(await main()));
} catch (error) {
  console.log(JSON.stringify({ ok: false, ...explain(error) }));
  process.exitCode = error instanceof UserCommandError ? 2 : 1;
}
