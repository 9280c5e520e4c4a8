/** Connections to Redis, and commands with a deadline. */
import { RedisClient as NodeRedisClient } from "redis";
import type { RedisConfig } from "./env/config.ts";
import { between, DeadlineError, whenLate, withDeadline } from "./deadline.ts";
import type { Logger } from "./logging.ts";
import { explainTls, hostOf, REDIS_AUTHORITY, verifiedTls } from "./tls.ts";

/**
 * `createClient` builds a class with a method for each command, of four modules too, for every distinct set of options;
 * the connection's name is one of them. That is 12 MiB each time, and one class is enough.
 */
const construct = NodeRedisClient.factory({ RESP: 3 });

/** Whether Redis is one outside of the stack, reached by TLS. */
export const isByTls = ({ url }: Pick<RedisConfig, "url">): boolean => url.startsWith("rediss:");

function newClient(config: RedisConfig, name: string, idleMs: number, isPinging: boolean) {
  return construct({
    url: config.url,
    username: config.username,
    password: config.password,
    name,
    // A command must fail at once while there is no connection: its caller answers 503 instead of waiting.
    disableOfflineQueue: true,
    maintNotifications: "disabled",
    ...(isPinging ? { pingInterval: Math.round(idleMs / 3) } : {}),
    socket: {
      ...(isByTls(config) ? { tls: true, ...verifiedTls(hostOf(config.url), config.authority) } : {}),
      connectTimeout: 2000,
      // Also for a server that accepts the connection and then says nothing, because it is paused or blocked.
      socketTimeout: idleMs,
      reconnectStrategy: (retries) =>
        Math.round(between(0.5, 1) * Math.min(2000, 100 * 2 ** Math.min(retries, 6))),
    },
  });
}

export type RedisClient = ReturnType<typeof newClient>;

/** What runs commands within a deadline. */
export type RedisRunner = Pick<RedisLink, "run">;

export class RedisUnavailableError extends Error {
  constructor(reason: string) {
    super(`Redis is not available: ${reason}`);
    this.name = "RedisUnavailableError";
  }
}

/**
 * One connection to Redis that is reopened whenever it is lost, and on which every command has a deadline.
 *
 * A command that misses its deadline makes the connection suspect: replies come in order, so everything behind a silent
 * command waits too. The connection is cut when Redis has answered nothing at all until the last of those who were waiting
 * has given up. An impatient command must not fail a patient one: an append waits for a disk that takes a second, a probe
 * does not.
 */
export class RedisLink {
  readonly name: string;
  readonly #config: RedisConfig;
  readonly #logger: Logger;
  readonly #idleMs: number;
  readonly #isPinging: boolean;
  #client: RedisClient | undefined;
  #isClosed = false;
  #lastReason = "";
  /** When each command that waits gives up, by performance.now(). */
  readonly #waiting = new Set<{ readonly end: number }>();
  /** Calls off the cut of a connection that is suspect. */
  #trust: (() => void) | undefined;

  /**
   * @param name shown by CLIENT LIST.
   * @param options.idleMs after how much silence, in ms, the connection counts as dead: longer than the longest blocking command.
   * @param options.isPinging false for a connection that blocks on purpose.
   */
  constructor(
    config: RedisConfig,
    name: string,
    logger: Logger,
    options: { idleMs: number; isPinging: boolean },
  ) {
    this.#config = config;
    this.name = name;
    this.#logger = logger;
    this.#idleMs = options.idleMs;
    this.#isPinging = options.isPinging;
  }

  /** Starts to connect and returns at once; `isReady` says when the link is up. */
  open(): void {
    if (this.#isClosed || this.#client) return;
    const client = newClient(this.#config, this.name, this.#idleMs, this.#isPinging);
    this.#client = client;
    client.on("error", (error) => this.#report(client, error));
    client.on("ready", () => {
      if (client !== this.#client) return;
      this.#lastReason = "";
      this.#logger.info({ link: this.name }, "Redis connected");
    });
    client.connect().catch((error: unknown) => this.#report(client, error));
  }

  /** Why the last attempt to connect failed; empty once one has not. */
  get trouble(): string {
    return this.#lastReason;
  }

  get isReady(): boolean {
    return this.#client?.isReady ?? false;
  }

  /** Runs commands within `ms`. @throws RedisUnavailableError, DeadlineError, or what Redis said. */
  async run<T>(ms: number, command: (client: RedisClient) => Promise<T>): Promise<T> {
    const client = this.#client;
    if (!client?.isReady) throw new RedisUnavailableError("no connection");
    const waiting = { end: performance.now() + ms };
    this.#waiting.add(waiting);
    // Also for an error, and for an answer that comes too late: the connection lives.
    const work = command(client);
    const onAnswer = (): void => this.#clear(client);
    work.then(onAnswer, onAnswer);
    try {
      return await withDeadline("Redis", ms, work);
    } catch (error) {
      if (error instanceof DeadlineError) this.#suspect(client, waiting);
      throw error;
    } finally {
      this.#waiting.delete(waiting);
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#trust?.();
    this.#client?.destroy();
    this.#client = undefined;
  }

  #clear(client: RedisClient): void {
    if (client !== this.#client) return;
    this.#trust?.();
    this.#trust = undefined;
  }

  #suspect(client: RedisClient, missed: { readonly end: number }): void {
    if (client !== this.#client || this.#trust) return;
    this.#waiting.delete(missed);
    const until = Math.max(...[...this.#waiting].map(({ end }) => end));
    const ms = until - performance.now();
    if (ms <= 0) return this.#replace(client);
    // A moment after the last of them, so that each gives up by its own deadline and not by a cut connection.
    this.#trust = whenLate(ms + 20, () => this.#replace(client));
  }

  #replace(client: RedisClient): void {
    if (client !== this.#client) return;
    this.#trust?.();
    this.#trust = undefined;
    this.#logger.warn({ link: this.name }, "Redis did not answer in time, connecting anew");
    this.#client = undefined;
    client.destroy();
    this.open();
  }

  /** A server that is away fails every attempt in the same way, so each reason is logged once. */
  #report(client: RedisClient, error: unknown): void {
    const reason = explainTls(error, REDIS_AUTHORITY);
    if (client !== this.#client || reason === this.#lastReason) return;
    this.#lastReason = reason;
    this.#logger.warn({ link: this.name, reason }, "Redis connection failed");
  }
}
