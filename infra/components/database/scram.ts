/** Password verifiers for PostgreSQL, so that no statement ever contains a password. */
import { createHash, createHmac, pbkdf2Sync } from "node:crypto";

const ITERATIONS = 4096;

/**
 * The SCRAM-SHA-256 verifier of a password, in the form that PostgreSQL stores and takes in CREATE ROLE … PASSWORD:
 * `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>` (RFC 5802, RFC 7677). A verifier in a log or in
 * pg_stat_statements is not the password.
 * @param salt 16 bytes, different for each role.
 */
export function scramVerifier(password: string, salt: Buffer): string {
  const salted = pbkdf2Sync(password.normalize("NFKC"), salt, ITERATIONS, 32, "sha256");
  const hmac = (text: string) => createHmac("sha256", salted).update(text).digest();
  const storedKey = createHash("sha256").update(hmac("Client Key")).digest("base64");
  const serverKey = hmac("Server Key").toString("base64");
  return `SCRAM-SHA-256$${ITERATIONS}:${salt.toString("base64")}$${storedKey}:${serverKey}`;
}

/** A salt that is the same in every run, because another salt would be a change. It is as random as the password. */
export const stableSalt = (role: string, password: string): Buffer =>
  createHmac("sha256", password).update(`salt of ${role}`).digest().subarray(0, 16);
