/** Random tokens, their hashes, and keys for one purpose each. */
import { createHash, hkdfSync, randomBytes, timingSafeEqual } from "node:crypto";

/** 256 random bits, safe in cookies, headers and URLs. */
export const randomToken = (): string => randomBytes(32).toString("base64url");

/** Tokens are random and cannot be guessed, so a plain hash is enough. */
export const hashToken = (token: string): Buffer => createHash("sha256").update(token).digest();

/** The name of a session wherever its secret id must not stand: in Redis, in revocations, beside streams. */
export const sessionKeyOf = (id: string): string => hashToken(id).toString("base64url");

/** A key for one purpose, so that no signature means something elsewhere (RFC 5869). */
export function deriveKey(secret: string, purpose: string): Buffer {
  return Buffer.from(hkdfSync("sha256", secret, "", `omniai ${purpose}`, 32));
}

/** In constant time, whatever the lengths. */
export function isSame(a: Buffer, b: Buffer): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}
