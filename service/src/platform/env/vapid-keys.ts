/** The service's key pair for push services (VAPID, RFC 8292): it follows from a secret text, the same on all replicas. */
import { createECDH, hkdfSync } from "node:crypto";

export interface VapidKeys {
  /** 65 bytes, uncompressed, in base64url: what a page subscribes with. */
  readonly publicKey: string;
  /** 32 bytes in base64url. */
  readonly privateKey: string;
}

/** The order of P-256 (SEC 2, 2.4.2). */
const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
/** Another text would be other keys for everybody. */
const PURPOSE = "omniai web push, P-256";

/**
 * A private key is a number from 1 to the order less 1. It is made from 128 bits more than it has, so that every one is as
 * likely as any other (FIPS 186-5, A.2.1).
 * @param secret with at least the entropy of the key: 22 random letters and digits.
 */
export function vapidKeys(secret: string): VapidKeys {
  const bits = Buffer.from(hkdfSync("sha256", secret, "", PURPOSE, 48)).toString("hex");
  const number = (BigInt(`0x${bits}`) % (order - 1n)) + 1n;
  const privateKey = Buffer.from(number.toString(16).padStart(64, "0"), "hex");
  const pair = createECDH("prime256v1");
  pair.setPrivateKey(privateKey);
  return { publicKey: pair.getPublicKey("base64url"), privateKey: privateKey.toString("base64url") };
}
