/**
 * Makes a self-signed certificate for the edge and prints it as JSON {certificate, key}. The program runs this file
 * through a command, so that the pair is made once and is then kept in the stack's state as a secret:
 *   node certificate.ts HOST…
 */
import "reflect-metadata";
import { webcrypto, X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import * as x509 from "@peculiar/x509";

/** Browsers refuse certificates that are valid for longer than this, in days. */
const VALID_DAYS = 397;
const DAY = 24 * 60 * 60 * 1000;

export interface CertificatePair {
  /** PEM. */
  readonly certificate: string;
  /** PEM, PKCS #8. */
  readonly key: string;
}

/**
 * Makes an ECDSA P-256 key and a certificate for it.
 * @param hosts DNS names and IP addresses; the first is also the common name.
 * @param now a day after the start of its validity: the clocks of some clients are behind.
 */
export async function createCertificate(
  hosts: readonly string[],
  now = new Date(),
): Promise<CertificatePair> {
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: [{ CN: [hosts[0] ?? "localhost"] }, { O: ["OmniAI"] }],
    notBefore: new Date(now.getTime() - DAY),
    notAfter: new Date(now.getTime() + (VALID_DAYS - 1) * DAY),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(
        hosts.map((host) => ({ type: isIP(host) ? ("ip" as const) : ("dns" as const), value: host })),
      ),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  const key = await webcrypto.subtle.exportKey("pkcs8", keys.privateKey);
  return {
    certificate: `${certificate.toString("pem")}\n`,
    key: `${x509.PemConverter.encode(key, "PRIVATE KEY")}\n`,
  };
}

/** Pure: when a certificate ends, as an ISO date and time. */
export const endOf = (pem: string): string => new X509Certificate(pem).validToDate.toISOString();

if (import.meta.main) {
  const hosts = process.argv.slice(2);
  if (hosts.length === 0) throw new Error("no host given: node certificate.ts HOST…");
  process.stdout.write(JSON.stringify(await createCertificate(hosts)));
}
