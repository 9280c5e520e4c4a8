/** Passwords: how they are made, hashed and compared. */
import { randomBytes } from "node:crypto";
import { hash, verify } from "@node-rs/argon2";
import { Semaphore } from "../../platform/semaphore.ts";
import { busy, LoginQueue, PATIENCE_MS } from "./login-queue.ts";

/**
 * OWASP's first choice for argon2id (Password Storage Cheat Sheet): 19 MiB, 2 passes, 1 lane.
 * Algorithm 2 is argon2id. The package names it by a const enum, which erasable syntax cannot use.
 */
export const argon2Options = { algorithm: 2, memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;

/** Lengths in characters (ASVS 6.2.1, 6.2.9). There is an upper limit, because the whole password is hashed. */
export const MIN_PASSWORD_LENGTH = 12;
export const MAX_PASSWORD_LENGTH = 256;

/** How many hashes run at once: each takes 19 MiB of the replica's little memory, and a core for some time. */
const MAX_RUNNING = 2;

/** Those that wait are few: logins are bounded by their own queue, and operators come one at a time. */
const turns = new Semaphore(MAX_RUNNING, Infinity);

/** Logins wait here for one of the turns. */
export const loginQueue = new LoginQueue(turns);

export async function hashPassword(password: string): Promise<string> {
  if (!(await turns.acquire(PATIENCE_MS))) throw busy();
  try {
    return await hash(password.normalize("NFKC"), argon2Options);
  } finally {
    turns.release();
  }
}

let nobodysHash: Promise<string> | undefined;

/** What a password is compared with when there is no such user. Made at the start, so that the first takes no longer. */
export function prepareNobody(): Promise<string> {
  return (nobodysHash ??= hash(randomBytes(24).toString("base64url"), argon2Options));
}

/**
 * Whether the password is the one of `stored`. Without `stored`, when there is no such user, it is false after the same
 * time, so that the time of a refusal tells nothing. The caller waits for its turn in the queue.
 */
export async function isPassword(password: string, stored: string | undefined): Promise<boolean> {
  const isRight = await verify(stored ?? (await prepareNobody()), password.normalize("NFKC"));
  return isRight && stored !== undefined;
}

/** 24 characters out of 64: nobody can guess them. */
export const generatePassword = (): string => randomBytes(18).toString("base64url");
