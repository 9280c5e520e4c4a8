/** TLS to servers that are not the stack's own: always verified, and a refused certificate says what to do. */
import { isIP } from "node:net";
import { reasonOf } from "./deadline.ts";

/** What a connection needs to be one whose other end is known. */
export interface VerifiedTls {
  readonly rejectUnauthorized: true;
  readonly minVersion: "TLSv1.2";
  readonly ca?: string;
  readonly servername?: string;
}

/**
 * @param host the server's name or address, which its certificate has to have.
 * @param authority certificates in PEM that alone are trusted; undefined: the authorities that Node comes with.
 */
export const verifiedTls = (host: string, authority: string | undefined): VerifiedTls => ({
  // Said and not left to the default, which NODE_TLS_REJECT_UNAUTHORIZED would change.
  rejectUnauthorized: true,
  minVersion: "TLSv1.2",
  ...(authority === undefined ? {} : { ca: authority }),
  // Servers of several customers choose by the name (SNI), in which an address is not allowed (RFC 6066 3).
  ...(isIP(host) > 0 ? {} : { servername: host }),
});

/** The host of a URL as it stands in a certificate: an IPv6 address without its brackets. */
export const hostOf = (url: string): string => new URL(url).hostname.replace(/^\[(.*)\]$/, "$1");

const untrusted = (key: string): string =>
  "no authority that is trusted here has signed the server's certificate; give the authority's certificate " +
  `(PEM, from the provider) as ${key}`;
const outdated = (): string =>
  "the server's certificate is not valid now; renew it there, and check the clocks of both machines";

/** What to do, by the code that Node gives the error (https://nodejs.org/api/tls.html#x509-certificate-error-codes). */
const remedies: Readonly<Record<string, (key: string) => string>> = {
  SELF_SIGNED_CERT_IN_CHAIN: untrusted,
  DEPTH_ZERO_SELF_SIGNED_CERT: untrusted,
  UNABLE_TO_GET_ISSUER_CERT: untrusted,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: untrusted,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: untrusted,
  CERT_SIGNATURE_FAILURE: untrusted,
  CERT_HAS_EXPIRED: outdated,
  CERT_NOT_YET_VALID: outdated,
  ERR_TLS_CERT_ALTNAME_INVALID: () =>
    "the server's certificate is for another name; put a name that the certificate has into the address, or have the " +
    "server's certificate made for this one",
};

/** What pg says of a server without TLS; it has no code. */
const NO_TLS = "The server does not support SSL connections";

const remedyFor = (error: unknown, key: string): string | undefined => {
  if (!(error instanceof Error)) return undefined;
  if (error.message === NO_TLS) return "turn TLS on at the server: nothing is sent to it in the clear";
  return "code" in error ? remedies[String(error.code)]?.(key) : undefined;
};

/** Whether the server cannot be trusted as it is, so that waiting does not help. */
export const isTlsRefusal = (error: unknown): boolean => remedyFor(error, "") !== undefined;

/** As `reasonOf`, and what to do about a certificate that is refused. @param key where its authority is configured */
export function explainTls(error: unknown, key: string): string {
  const remedy = remedyFor(error, key);
  return remedy === undefined ? reasonOf(error) : `${reasonOf(error)}: ${remedy}`;
}

/** The config keys of the stack. */
export const POSTGRES_AUTHORITY = "omniai:databaseAuthority";
export const REDIS_AUTHORITY = "omniai:redisAuthority";
