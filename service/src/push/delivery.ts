/** Gets a message to every device once, whichever replica is told of it, and however often. */
import { remember } from "../platform/bounded-map.ts";
import { reasonOf } from "../platform/deadline.ts";
import type { Logger } from "../platform/logging.ts";
import { Semaphore } from "../platform/semaphore.ts";
import type { PushReach } from "./endpoint.ts";
import type { PushMessage } from "./message.ts";
import { sendTo, type Outcome, type Sender } from "./sender.ts";
import { MOST_DEVICES, type PushStore, type Settled, type Subscription } from "./store.ts";

/** What counts messages; the service's metrics do. */
export type CountPush = (outcome: Outcome["kind"] | "given-up") => void;

export interface DeliveryParts {
  readonly store: PushStore;
  readonly sender: Sender;
  readonly reach: PushReach;
  readonly count: CountPush;
  readonly logger: Logger;
}

/** How many messages of this process are on their way at once. */
const AT_ONCE = 20;
const PATIENCE_MS = 30_000;

/** After so many tries a device is left alone with this message. */
const MOST_ATTEMPTS = 5;
/** When to try again after the first failure, in ms, where the push service does not say; four times as long after each further one. */
const FIRST_PAUSE_MS = 15_000;
const LONGEST_PAUSE_MS = 900_000;

/** How many messages a replica remembers that it sent without PostgreSQL. */
const MOST_REMEMBERED = 500;
/** As long as in the store (NEWS_HOURS), in ms. */
const NEWS_MS = 7_200_000;

/** Pure: what a try means for the next one. */
export function settledAs(id: string, outcome: Outcome, attempts: number): Settled {
  if (outcome.kind === "sent" || outcome.kind === "gone") return { id, state: outcome.kind };
  const { why } = outcome;
  if (outcome.kind === "refused" || attempts >= MOST_ATTEMPTS) return { id, state: "given_up", why };
  const asked = outcome.afterMs ?? FIRST_PAUSE_MS * 4 ** (attempts - 1);
  return { id, state: "due", why, afterMs: Math.min(LONGEST_PAUSE_MS, Math.max(1000, asked)) };
}

export class Delivery {
  readonly #parts: DeliveryParts;
  readonly #turns = new Semaphore(AT_ONCE, 4 * MOST_DEVICES);
  /** The devices as they were last known, for a message about PostgreSQL being away. */
  #known: readonly Subscription[] | undefined;
  readonly #sentAt = new Map<string, number>();

  constructor(parts: DeliveryParts) {
    this.#parts = parts;
  }

  /** Learns which devices there are. @throws Error while PostgreSQL is away; what was known before stays known. */
  async learn(): Promise<void> {
    this.#known = await this.#parts.store.ready();
  }

  /**
   * Sends the message to each device that it has not reached yet.
   * @returns how many have still to get it: whoever told of it is to tell again, and then only those are tried.
   * @throws Error while PostgreSQL is away and this replica does not know the devices either.
   */
  async deliver(message: PushMessage): Promise<number> {
    const { store, logger } = this.#parts;
    let claims;
    try {
      claims = await store.claim(message.id);
    } catch (error) {
      return this.#deliverFromMemory(message, error);
    }
    const settled = await Promise.all(
      claims.map(async (claim) => settledAs(claim.id, await this.#send(claim, message), claim.attempts)),
    );
    this.#remember(message);
    for (const each of settled) this.#tell(each);
    try {
      if (settled.length > 0) await store.settle(message.id, settled);
      return await store.pending(message.id);
    } catch (error) {
      // PostgreSQL went away meanwhile. What was sent stays sent; the others are tried again when it is back.
      logger.warn({ reason: reasonOf(error) }, "push results not stored");
      return settled.filter(({ state }) => state === "due").length;
    }
  }

  /** Sends a message to one user's devices, once, and says of each what became of it. */
  async deliverTest(
    message: PushMessage,
    devices: readonly Subscription[],
  ): Promise<readonly { readonly id: string; readonly outcome: Outcome }[]> {
    const results = await Promise.all(
      devices.map(async (device) => ({ id: device.id, outcome: await this.#send(device, message) })),
    );
    // Nobody tries a test again, so no failure of one is to be tried again either.
    const settled = results.map(({ id, outcome }) => settledAs(id, outcome, MOST_ATTEMPTS));
    await this.#parts.store.noteTest(settled).catch((error: unknown) => {
      this.#parts.logger.warn({ reason: reasonOf(error) }, "push results not stored");
    });
    return results;
  }

  /**
   * Without PostgreSQL nobody can count for all replicas, so each device is tried once, and nobody is asked to tell again:
   * rather once too little than in a circle. The same news at another replica replaces itself on the device.
   */
  async #deliverFromMemory(message: PushMessage, cause: unknown): Promise<number> {
    const { logger } = this.#parts;
    if (this.#known === undefined) throw cause;
    const key = message.id.toString("base64");
    if ((this.#sentAt.get(key) ?? -Infinity) > performance.now() - NEWS_MS) return 0;
    this.#remember(message);
    logger.warn({ reason: reasonOf(cause), devices: this.#known.length }, "pushing without PostgreSQL");
    await Promise.all(this.#known.map((device) => this.#send(device, message)));
    return 0;
  }

  #remember(message: PushMessage): void {
    remember(this.#sentAt, MOST_REMEMBERED, message.id.toString("base64"), performance.now());
  }

  async #send(device: Subscription, message: PushMessage): Promise<Outcome> {
    const { sender, reach, count } = this.#parts;
    if (!(await this.#turns.acquire(PATIENCE_MS)))
      return { kind: "retry", why: "too many messages are on their way" };
    try {
      const outcome = await sendTo(device, message, sender, reach);
      count(outcome.kind);
      return outcome;
    } finally {
      this.#turns.release();
    }
  }

  #tell(settled: Settled): void {
    const { logger, count } = this.#parts;
    if (settled.state === "gone") logger.info({ device: settled.id }, "device is gone, and removed");
    if (settled.state !== "given_up") return;
    count("given-up");
    logger.warn({ device: settled.id, reason: settled.why }, "message given up for a device");
  }
}
