/** When the certificate ends that the edge shows: it is asked as a browser would ask, by a handshake. */
import { connect } from "node:tls";
import { z } from "zod";
import { whenLate } from "../platform/deadline.ts";

const DEADLINE_MS = 800;
const DAY_MS = 86_400_000;
/** From when on the alerts CertificateEnding and, at its worst, CertificateEndingSoon fire. */
const WARN_DAYS = 30;
const FAIL_DAYS = 3;
/**
 * Nor before so much of its lifetime is left: one of an authority that lives for 45 days is renewed with a third of them left,
 * and nothing is wrong with it until then.
 */
const WARN_SHARE = 1 / 4;
const FAIL_SHARE = 1 / 15;

export const certificateDiagSchema = z.strictObject({
  status: z
    .enum(["pass", "warn", "fail", "unknown", "absent"])
    .describe(
      `warn: it ends within ${WARN_DAYS} days, or a quarter of its lifetime where that is less; fail: within ${FAIL_DAYS}, or a fifteenth. absent: no edge. unknown: it does not answer.`,
    ),
  ends: z.iso.datetime().optional(),
});

export type CertificateDiag = z.output<typeof certificateDiagSchema>;

/** @param address `host:port` of the edge's TLS; undefined where there is no edge. */
export async function certificateDiag(
  address: string | undefined,
  now = Date.now(),
): Promise<CertificateDiag> {
  if (address === undefined) return { status: "absent" };
  try {
    const { begins, ends } = await validityOf(address);
    const days = (ends.getTime() - now) / DAY_MS;
    const lifetime = (ends.getTime() - begins.getTime()) / DAY_MS;
    const isBelow = (limit: number, share: number): boolean => days < Math.min(limit, share * lifetime);
    const status = isBelow(FAIL_DAYS, FAIL_SHARE) ? "fail" : isBelow(WARN_DAYS, WARN_SHARE) ? "warn" : "pass";
    return { status, ends: ends.toISOString() };
  } catch {
    return { status: "unknown" };
  }
}

interface Validity {
  readonly begins: Date;
  readonly ends: Date;
}

function validityOf(address: string): Promise<Validity> {
  const at = address.lastIndexOf(":");
  const [host, port] = [address.slice(0, at), Number(address.slice(at + 1))];
  return new Promise((resolve, reject) => {
    // Nothing is sent and nothing believed but the date, so it does not matter who has signed it.
    const socket = connect({ host, port, servername: "", rejectUnauthorized: false });
    const callOff = whenLate(DEADLINE_MS, () => socket.destroy(new Error("no handshake in time")));
    socket.on("secureConnect", () => {
      const certificate = socket.getPeerX509Certificate();
      socket.destroy();
      if (certificate) resolve({ begins: certificate.validFromDate, ends: certificate.validToDate });
      else reject(new Error("no certificate"));
    });
    socket.on("error", reject);
    socket.on("close", () => {
      callOff();
      reject(new Error("closed"));
    });
  });
}
