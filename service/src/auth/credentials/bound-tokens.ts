/** Tokens that belong to one owner, and that only this stack can make. */
import { createHmac } from "node:crypto";
import { deriveKey, isSame, randomToken } from "./secrets.ts";

/**
 * An HMAC over an owner and random text. No store is needed to know whether a token is one of ours. Used for CSRF tokens,
 * whose owner is a session (signed double-submit, OWASP CSRF Prevention Cheat Sheet), and for known devices, whose owner
 * is a user's name.
 */
export class BoundTokens {
  readonly #key: Buffer;

  constructor(secret: string, purpose: "csrf" | "device") {
    this.#key = deriveKey(secret, purpose);
  }

  create(owner: string): string {
    const random = randomToken();
    return `${random}.${this.#sign(owner, random).toString("base64url")}`;
  }

  isValid(owner: string, token: string | undefined): boolean {
    const [, random, signature] = /^([A-Za-z0-9_-]{43})\.([A-Za-z0-9_-]{43})$/.exec(token ?? "") ?? [];
    if (random === undefined || signature === undefined) return false;
    return isSame(Buffer.from(signature, "base64url"), this.#sign(owner, random));
  }

  /** The text has the lengths in it, so that no two pairs have the same text. */
  #sign(owner: string, random: string): Buffer {
    const text = `${owner.length}!${owner}!${random.length}!${random}`;
    return createHmac("sha256", this.#key).update(text).digest();
  }
}
