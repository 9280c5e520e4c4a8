/** Gets a message to every device once, whichever replica is told of it, and however often. */
import { remember } from "../platform/bounded-map.ts";
import { reasonOf } from "../platform/deadline.ts";
import type { Logger } from "../platform/logging.ts";
import { Semaphore } from "../platform/semaphore.ts";
import type { PushReach } from "./endpoint.ts";
import type { PushMessage } from "./message.ts";
import { sendTo, type Outcome, type Sender } from "./sender.ts";
import type { Reached, Settled } from "./settlement.ts";
import { MOST_DEVICES, type Claim, type PushStore, type Subscription } from "./store.ts";

/** What counts messages; the service's metrics do. */
export type CountPush = (outcome: Outcome["kind"] | "given-up") => void;

export interface DeliveryParts {
  readonly store: PushStore;
  readonly sender: Sender;
  readonly reach: PushReach;
  readonly count: CountPush;
  readonly logger: Logger;
}

/** How many messages of this process are on their way at once, and how many tests beside them. */
export const AT_ONCE = 20;
const TESTS_AT_ONCE = 10;
/** How long a message waits for its turn, in ms: with the sending it stays below the store's lease. */
const PATIENCE_MS = 30_000;

/** After so many tries a device is left alone with this message. */
const MOST_ATTEMPTS = 5;
/** When to try again after the first failure, in ms, where the push service does not say; four times as long after each further one. */
const FIRST_PAUSE_MS = 15_000;
const LONGEST_PAUSE_MS = 900_000;

/** Of how many tries a replica remembers what became of them. */
const MOST_REMEMBERED = 5000;
/** As long as in the store (NEWS_HOURS), in ms. */
const NEWS_MS = 7_200_000;

/** What this replica did last with a message for a device. */
interface Trial {
  /** By performance.now(). */
  readonly at: number;
  readonly attempts: number;
  /** Undefined while it is on its way. */
  readonly settled: Settled | undefined;
  /** PostgreSQL knows it as well, and decides then. */
  readonly isStored: boolean;
}

/** Pure: what a try means for the next one. */
export function settledAs({ id, endpoint }: Reached, outcome: Outcome, attempts: number): Settled {
  const reached = { id, endpoint };
  if (outcome.kind === "sent" || outcome.kind === "gone") return { ...reached, state: outcome.kind };
  const { why } = outcome;
  if (outcome.kind === "refused" || attempts >= MOST_ATTEMPTS) return { ...reached, state: "given_up", why };
  const asked = outcome.afterMs ?? FIRST_PAUSE_MS * 4 ** (attempts - 1);
  return { ...reached, state: "due", why, afterMs: Math.min(LONGEST_PAUSE_MS, Math.max(1000, asked)) };
}

/** A device that was renewed is tried anew. */
const keyOf = (message: PushMessage, { id, endpoint }: Reached): string =>
  `${message.id.toString("base64")} ${id} ${endpoint}`;

export class Delivery {
  readonly #parts: DeliveryParts;
  readonly #turns = new Semaphore(AT_ONCE, 4 * MOST_DEVICES);
  readonly #testTurns = new Semaphore(TESTS_AT_ONCE, MOST_DEVICES);
  /** The devices as they were last known, for a message about PostgreSQL being away. */
  #known: readonly Subscription[] | undefined;
  readonly #trials = new Map<string, Trial>();
  readonly #working = new Set<Promise<void>>();

  constructor(parts: DeliveryParts) {
    this.#parts = parts;
  }

  /** How many devices there were when this replica last asked; undefined until it has. */
  get devices(): number | undefined {
    return this.#known?.length;
  }

  /** Learns which devices there are. @throws Error while PostgreSQL is away; what was known before stays known. */
  async learn(): Promise<void> {
    this.#known = await this.#parts.store.ready();
  }

  /**
   * Has the message sent to each device that it has not reached yet, by this replica and any other until it is there.
   * @returns for how many devices whoever told of it has to tell again: none, unless PostgreSQL is away.
   * @throws Error while PostgreSQL is away and this replica does not know the devices either.
   */
  async deliver(message: PushMessage): Promise<number> {
    let claims;
    try {
      claims = await this.#parts.store.claim(message);
    } catch (error) {
      return this.#deliverFromMemory(message, error);
    }
    this.#begin(message, claims);
    return 0;
  }

  /** Tries again what is due, whichever replica tried it before. @throws Error while PostgreSQL is away. */
  async retry(): Promise<void> {
    for (const { message, claims } of await this.#parts.store.claimDue()) this.#begin(message, claims);
  }

  /** Resolves when what was begun is sent and noted. */
  async idle(): Promise<void> {
    await Promise.all(this.#working);
  }

  /** Sends a message to one user's devices, once, and says of each what became of it. */
  async deliverTest(
    message: PushMessage,
    devices: readonly Subscription[],
  ): Promise<readonly { readonly device: Subscription; readonly outcome: Outcome }[]> {
    const results = await Promise.all(
      devices.map(async (device) => ({
        device,
        outcome: (await this.#send(device, message, this.#testTurns)) ?? {
          kind: "retry" as const,
          why: "too many tests are on their way",
        },
      })),
    );
    // Nobody tries a test again, so no failure of one is to be tried again either.
    const settled = results.map(({ device, outcome }) => settledAs(device, outcome, MOST_ATTEMPTS));
    await this.#parts.store.noteTest(settled).catch((error: unknown) => {
      this.#parts.logger.warn({ reason: reasonOf(error) }, "push results not stored");
    });
    return results;
  }

  #begin(message: PushMessage, claims: readonly Claim[]): void {
    const work = this.#work(message, claims).finally(() => this.#working.delete(work));
    this.#working.add(work);
  }

  /** Sends, and notes what became of it; never rejects. */
  async #work(message: PushMessage, claims: readonly Claim[]): Promise<void> {
    const { store, logger } = this.#parts;
    const tried = await Promise.all(
      claims.map(async (claim) => {
        const before = this.#trialOf(message, claim);
        // What was sent and could not be noted then is noted now.
        const isSent = before?.isStored === false && before.settled?.state === "sent";
        return isSent ? before.settled : this.#try(claim, message, claim.attempts);
      }),
    );
    const settled = tried.filter((each) => each !== undefined);
    if (settled.length === 0) return;
    try {
      await store.settle(message.id, settled);
    } catch (error) {
      // PostgreSQL went away meanwhile. What was sent stays sent; the others are tried again when it is back.
      return logger.warn({ reason: reasonOf(error) }, "push results not stored");
    }
    for (const each of settled) {
      const trial = this.#trialOf(message, each);
      if (trial) this.#note(message, each, { ...trial, isStored: true });
    }
  }

  /**
   * Without PostgreSQL nobody can count for all replicas, so this one counts for itself. The same news from another replica
   * replaces itself on the device.
   * @returns how many devices are to be tried again.
   */
  async #deliverFromMemory(message: PushMessage, cause: unknown): Promise<number> {
    const { logger } = this.#parts;
    if (this.#known === undefined) throw cause;
    const tried = await Promise.all(
      this.#known.map(async (device) => {
        const before = this.#trialOf(message, device);
        const isWaiting =
          before?.settled?.state === "due" && performance.now() < before.at + before.settled.afterMs;
        if (before?.settled && (isWaiting || before.settled.state !== "due")) return before.settled;
        return this.#try(device, message, (before?.attempts ?? 0) + 1);
      }),
    );
    const pending = tried.filter((each) => each === undefined || each.state === "due").length;
    logger.warn({ reason: reasonOf(cause), devices: tried.length, pending }, "pushed without PostgreSQL");
    return pending;
  }

  /** @returns undefined where this replica is at it already. */
  async #try(device: Subscription, message: PushMessage, attempts: number): Promise<Settled | undefined> {
    const before = this.#trialOf(message, device);
    if (before && !before.settled) return undefined;
    const note = (settled: Settled | undefined, tries = attempts): void =>
      this.#note(message, device, { at: performance.now(), attempts: tries, settled, isStored: false });
    note(undefined);
    const outcome = await this.#send(device, message, this.#turns);
    if (!outcome) {
      const why = "too many messages are on their way";
      const { id, endpoint } = device;
      const untried: Settled = {
        ...{ id, endpoint, state: "due", why, afterMs: FIRST_PAUSE_MS, isUntried: true },
      };
      note(untried, attempts - 1);
      return untried;
    }
    const settled = settledAs(device, outcome, attempts);
    note(settled);
    this.#tell(settled);
    return settled;
  }

  #trialOf(message: PushMessage, device: Reached): Trial | undefined {
    const trial = this.#trials.get(keyOf(message, device));
    return trial && trial.at > performance.now() - NEWS_MS ? trial : undefined;
  }

  #note(message: PushMessage, device: Reached, trial: Trial): void {
    remember(this.#trials, MOST_REMEMBERED, keyOf(message, device), trial);
  }

  /** @returns undefined when it did not come to its turn. */
  async #send(device: Subscription, message: PushMessage, turns: Semaphore): Promise<Outcome | undefined> {
    const { sender, reach, count } = this.#parts;
    if (!(await turns.acquire(PATIENCE_MS))) return undefined;
    try {
      const outcome = await sendTo(device, message, sender, reach);
      count(outcome.kind);
      return outcome;
    } finally {
      turns.release();
    }
  }

  #tell(settled: Settled): void {
    const { logger, count } = this.#parts;
    if (settled.state === "sent") return;
    const { id: device, state } = settled;
    if (state === "gone") return logger.info({ device }, "device is gone, and removed");
    if (state === "given_up") count("given-up");
    logger.warn(
      { device, reason: settled.why },
      state === "due"
        ? "message not taken for a device, and tried again later"
        : "message given up for a device",
    );
  }
}
