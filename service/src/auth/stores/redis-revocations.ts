/** Revocations over all replicas, through Redis. */
import { z } from "zod";
import { between, pause, reasonOf } from "../../platform/deadline.ts";
import type { Logger } from "../../platform/logging.ts";
import type { RedisLink, RedisRunner } from "../../platform/redis.ts";
import {
  endsToken,
  revocationNames,
  type RevocationListener,
  type Revocations,
  type Revoked,
} from "./revocations.ts";

const keys = { feed: "omniai:auth:revocations", revoked: "omniai:auth:revoked:" };
const DEADLINE_MS = 1000;
const BLOCK_MS = 2000;
/** How many revocations are kept for replicas that were away. One that was away for longer checks all its streams. */
const KEEP = 1000;

const entrySchema = z.object({
  kind: z.enum(["user", "logins", "session", "family", "token"]),
  userId: z.string(),
  id: z.string(),
});

/**
 * Revocations through a Redis stream that every replica follows with a blocking read of its own. With pub/sub, a replica
 * whose connection is lost for a moment would miss some; here it reads on where it was.
 */
export class RedisRevocations implements Revocations {
  readonly #shared: RedisRunner;
  readonly #reader: RedisLink;
  readonly #keepMs: number;
  readonly #logger: Logger;
  readonly #stop = new AbortController();
  #done: Promise<void> | undefined;
  #listener: RevocationListener | undefined;

  /**
   * @param reader a link for the blocking read alone, which does not ping.
   * @param accessTokenMs how long an access token lives: its revocation is remembered for as long.
   */
  constructor(shared: RedisRunner, reader: RedisLink, accessTokenMs: number, logger: Logger) {
    this.#shared = shared;
    this.#reader = reader;
    this.#keepMs = accessTokenMs + 60_000;
    this.#logger = logger;
  }

  start(listener: RevocationListener): void {
    this.#listener = listener;
    this.#reader.open();
    this.#done ??= this.#follow();
  }

  async tell(revoked: Revoked): Promise<void> {
    // All in one go, because a token that is noted as revoked cannot be used to try again when its streams were not told.
    await this.#shared.run(DEADLINE_MS, (client) =>
      Promise.all([
        ...revocationNames(revoked).map((name) =>
          client.set(keys.revoked + name, String(Date.now()), {
            expiration: { type: "PX", value: Math.ceil(this.#keepMs) },
          }),
        ),
        client.xAdd(
          keys.feed,
          "*",
          { ...revoked },
          { TRIM: { strategy: "MAXLEN", strategyModifier: "~", threshold: KEEP } },
        ),
      ]),
    );
    this.#listener?.onRevoked(revoked);
  }

  async isRevoked(userId: string, familyId: string, issuedAt: number): Promise<boolean> {
    const names = [`user:${userId}`, `family:${familyId}`];
    const times = await this.#shared.run(DEADLINE_MS, (client) =>
      client.mGet(names.map((name) => keys.revoked + name)),
    );
    const [userAt, familyAt] = times.map((at) => (at === null ? undefined : Number(at)));
    return endsToken(userAt, familyAt, issuedAt);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    this.#reader.close();
    await this.#done;
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stop;
    let after: string | undefined;
    let wasAway = false;
    while (!signal.aborted) {
      try {
        if (after === undefined || wasAway) {
          after ??= await this.#newest();
          // What was revoked before this could listen, or was trimmed while it could not.
          this.#listener?.onGap();
          wasAway = false;
        }
        after = await this.#read(after);
      } catch (error) {
        if (signal.aborted) return;
        if (!wasAway) this.#logger.debug({ reason: reasonOf(error) }, "revocations not followed");
        wasAway = true;
        await pause(between(50, 250), signal);
      }
    }
  }

  async #newest(): Promise<string> {
    const [entry] = (await this.#reader.run(DEADLINE_MS, (client) =>
      client.xRevRange(keys.feed, "+", "-", { COUNT: 1 }),
    )) as { id: string }[];
    return entry?.id ?? "0-0";
  }

  async #read(after: string): Promise<string> {
    const reply = (await this.#reader.run(BLOCK_MS + 1500, (client) =>
      client.xRead({ key: keys.feed, id: after }, { BLOCK: BLOCK_MS, COUNT: 100 }),
    )) as { messages: { id: string; message: Record<string, string> }[] }[] | null;
    const messages = reply?.[0]?.messages ?? [];
    for (const { message } of messages) {
      const revoked = entrySchema.safeParse(message);
      if (revoked.success) this.#listener?.onRevoked(revoked.data);
    }
    return messages.at(-1)?.id ?? after;
  }
}
