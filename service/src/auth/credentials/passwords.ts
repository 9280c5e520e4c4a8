/** Passwords: how they are made, hashed and compared. */
import { randomBytes } from "node:crypto";
import { hash, verify } from "@node-rs/argon2";
import { between } from "../../platform/deadline.ts";
import { Semaphore } from "../../platform/semaphore.ts";
import { Problem } from "../../platform/problems.ts";

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
/** How many may wait for their turn; further ones are told to come again. */
const MAX_WAITING = 30;

/** The longest wait, in ms. The edge takes a replica for hung after a longer time without an answer. */
export const PATIENCE_MS = 4000;

const semaphore = new Semaphore(MAX_RUNNING, MAX_WAITING);

async function inTurn<T>(work: () => Promise<T>): Promise<T> {
  if (!(await semaphore.acquire(PATIENCE_MS))) {
    throw new Problem("login-busy", "Too many logins at the moment.", {
      headers: { "Retry-After": String(Math.ceil(between(0.1, 4))) },
    });
  }
  try {
    return await work();
  } finally {
    semaphore.release();
  }
}

export function hashPassword(password: string): Promise<string> {
  return inTurn(() => hash(password.normalize("NFKC"), argon2Options));
}

let nobodysHash: Promise<string> | undefined;

/**
 * Whether the password is the one of `stored`. Without `stored`, when there is no such user, it is false after the same
 * time, so that the time of a refusal tells nothing.
 */
export async function isPassword(password: string, stored: string | undefined): Promise<boolean> {
  const against = stored ?? (await (nobodysHash ??= hashPassword(randomBytes(24).toString("base64url"))));
  const isRight = await inTurn(() => verify(against, password.normalize("NFKC")));
  return isRight && stored !== undefined;
}

/** Called at the start, so that the first unknown user takes no longer than the second. */
export async function prepareNobody(): Promise<void> {
  await isPassword("", undefined);
}

/** 24 characters out of 64: nobody can guess them. */
export const generatePassword = (): string => randomBytes(18).toString("base64url");
