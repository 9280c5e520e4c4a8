/** Connections to Redis, and commands with a deadline. */
import { RedisClient as NodeRedisClient } from "redis";
import type { RedisConfig } from "./env/config.ts";
import { between, DeadlineError, reasonOf, withDeadline } from "./deadline.ts";
import type { Logger } from "./logging.ts";

/**
 * createClient builds a class with a method per command (and per command of four modules) for every distinct set of
 * options, the connection's name included: 12 MiB each time. One class does for all.
 */
const construct = NodeRedisClient.factory({ RESP: 3 });

function newClient(config: RedisConfig, name: string, idleMs: number, isPinging: boolean) {
  return construct({
    url: config.url,
    username: config.username,
    password: config.password,
    name,
    // A command must fail at once while there is no connection: its caller answers 503 rather than waits.
    disableOfflineQueue: true,
    maintNotifications: "disabled",
    ...(isPinging ? { pingInterval: Math.round(idleMs / 3) } : {}),
    socket: {
      connectTimeout: 2000,
      // Also covers a server that accepts the connection and then says nothing (paused, or wedged).
      socketTimeout: idleMs,
      reconnectStrategy: (retries) =>
        Math.round(between(0.5, 1) * Math.min(2000, 100 * 2 ** Math.min(retries, 6))),
    },
  });
}

export type RedisClient = ReturnType<typeof newClient>;

export class RedisUnavailableError extends Error {
  constructor(reason: string) {
    super(`Redis is not available: ${reason}`);
    this.name = "RedisUnavailableError";
  }
}

/**
 * One connection to Redis that is kept up for ever, and on which every command has a deadline.
 *
 * A command that misses its deadline puts the connection under suspicion: replies come in order, so whatever is sent
 * behind a silent command waits for it too. It is cut when nothing at all has been answered by the time that all who
 * waited then have given up: whoever has less patience must not fail those who have more (an append waits for a disk that
 * takes a second, a probe does not).
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
  /** When those who wait give up, ms of performance.now(). */
  readonly #waiting = new Set<{ readonly end: number }>();
  #suspicion: NodeJS.Timeout | undefined;

  /**
   * @param name shown by CLIENT LIST.
   * @param options.idleMs silence after which the connection counts as dead, ms; above the longest blocking command.
   * @param options.isPinging false for connections that block on purpose.
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

  /** Starts to connect, and returns: the link is up when `isReady` says so. */
  open(): void {
    if (this.#isClosed || this.#client) return;
    const client = newClient(this.#config, this.name, this.#idleMs, this.#isPinging);
    this.#client = client;
    client.on("error", (error) => this.#report(client, reasonOf(error)));
    client.on("ready", () => {
      if (client !== this.#client) return;
      this.#lastReason = "";
      this.#logger.info({ link: this.name }, "Redis connected");
    });
    client.connect().catch((error: unknown) => this.#report(client, reasonOf(error)));
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
    // Also when it comes too late, and an error: the connection lives.
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
    clearTimeout(this.#suspicion);
    this.#client?.destroy();
    this.#client = undefined;
  }

  #clear(client: RedisClient): void {
    if (client !== this.#client) return;
    clearTimeout(this.#suspicion);
    this.#suspicion = undefined;
  }

  #suspect(client: RedisClient, missed: { readonly end: number }): void {
    if (client !== this.#client || this.#suspicion) return;
    this.#waiting.delete(missed);
    const until = Math.max(...[...this.#waiting].map(({ end }) => end));
    const ms = until - performance.now();
    if (ms <= 0) return this.#replace(client);
    // A moment after the last of them: each gives up by its own deadline, not by a connection that was cut.
    this.#suspicion = setTimeout(() => this.#replace(client), ms + 20);
    this.#suspicion.unref();
  }

  #replace(client: RedisClient): void {
    if (client !== this.#client) return;
    clearTimeout(this.#suspicion);
    this.#suspicion = undefined;
    this.#logger.warn({ link: this.name }, "Redis did not answer in time, connecting anew");
    this.#client = undefined;
    client.destroy();
    this.open();
  }

  /** A server that is away fails every attempt the same way: once a reason is enough. */
  #report(client: RedisClient, reason: string): void {
    if (client !== this.#client || reason === this.#lastReason) return;
    this.#lastReason = reason;
    this.#logger.warn({ link: this.name, reason }, "Redis connection failed");
  }
}
