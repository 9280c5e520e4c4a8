/** CSRF tokens of a session. */
import { createHmac } from "node:crypto";
import { deriveKey, isSame, randomToken } from "./secrets.ts";

/**
 * Signed double-submit tokens (OWASP CSRF Prevention Cheat Sheet): an HMAC over the session's id and random text. The
 * session's cookie is one half, the header X-CSRF-Token the other. The page gets the token from the body of an answer that
 * only its own origin may read. Each token belongs to one session, so a new login needs a new one.
 */
export class CsrfTokens {
  readonly #key: Buffer;

  constructor(secret: string) {
    this.#key = deriveKey(secret, "csrf");
  }

  create(sessionId: string): string {
    const random = randomToken();
    return `${random}.${this.#sign(sessionId, random).toString("base64url")}`;
  }

  isValid(sessionId: string, token: string | undefined): boolean {
    const [, random, signature] = /^([A-Za-z0-9_-]{43})\.([A-Za-z0-9_-]{43})$/.exec(token ?? "") ?? [];
    if (random === undefined || signature === undefined) return false;
    return isSame(Buffer.from(signature, "base64url"), this.#sign(sessionId, random));
  }

  /** The text has the lengths in it, so that no two pairs have the same text. */
  #sign(sessionId: string, random: string): Buffer {
    const text = `${sessionId.length}!${sessionId}!${random.length}!${random}`;
    return createHmac("sha256", this.#key).update(text).digest();
  }
}
