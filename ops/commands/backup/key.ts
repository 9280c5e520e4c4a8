/** The operator's key: what encrypts the copies off-site, in a form that a person can keep on paper. */
import { createHash, randomBytes } from "node:crypto";
import { OpsError } from "../../terminal/errors.ts";

/** Crockford's Base32: no letter in it can be taken for another or for a digit (crockford.com/base32.html). */
const LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const BYTES = 32;
/** 52 letters hold 256 bits; four more show that none of them is mistyped. */
const [BODY, CHECK] = [52, 4];

const encode = (bytes: Uint8Array): string => {
  let text = "";
  let [bits, value] = [0, 0];
  for (const byte of bytes) {
    value = (value << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      text += LETTERS[(value >>> (bits - 5)) & 31];
      bits -= 5;
      value &= (1 << bits) - 1;
    }
  }
  return bits > 0 ? text + (LETTERS[(value << (5 - bits)) & 31] ?? "") : text;
};

const checkOf = (body: string): string => encode(createHash("sha256").update(body).digest()).slice(0, CHECK);

const inGroups = (text: string): string => (text.match(/.{4}/g) ?? []).join("-");

/** A new key: 256 random bits as 14 groups of four letters, of which the last is a checksum. */
export function makeKey(): string {
  const body = encode(randomBytes(BYTES));
  return inGroups(body + checkOf(body));
}

/** Pure: a key as somebody typed it, in the one spelling that opens a repository. @throws OpsError when it is mistyped */
export function parseKey(typed: string): string {
  const text = typed.toUpperCase().replaceAll(/[\s-]/g, "").replaceAll("O", "0").replaceAll(/[IL]/g, "1");
  const body = text.slice(0, BODY);
  if (/^[0-9A-HJKMNP-TV-Z]{56}$/.test(text) && text.slice(BODY) === checkOf(body)) return inGroups(text);
  throw new OpsError(
    `This is no key of a backup, or it is mistyped: a key has 14 groups of four letters and digits, and this has ${text.length} of ${BODY + CHECK}.`,
    "Compare it with the paper, group by group. Nothing was changed.",
  );
}

/** Names a key without showing anything of it: 8 hex digits. The room says the same (room/restic.py, key_id). */
export const keyId = (key: string): string =>
  createHash("sha256").update(key.trim()).digest("hex").slice(0, 8);
