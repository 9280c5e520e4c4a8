/** When the certificate that the edge generated for itself ends, told in time: 30, 14 and 3 days before. */
import { npmRun } from "../terminal/npm-run.ts";
import { paint } from "../terminal/output.ts";

const DAY_MS = 86_400_000;

/** How near the end is: worth a line, worth an issue (`npm run drift`), worth doing today. */
export type Nearness = "soon" | "near" | "now";

export interface CertificateEnd {
  /** ISO date and time. */
  readonly ends: string;
  /** Whole days until then; negative afterwards. */
  readonly days: number;
  readonly nearness: Nearness;
}

/** Pure: the end out of the stack's outputs; undefined while it is further away than 30 days, or is not known. */
export function certificateEnd(
  outputs: Readonly<Record<string, { value: unknown }>>,
  now = new Date(),
): CertificateEnd | undefined {
  const { ends } = (outputs["certificate"]?.value ?? {}) as { ends?: string };
  const left = Date.parse(ends ?? "") - now.getTime();
  if (ends === undefined || !(left <= 30 * DAY_MS)) return undefined;
  const nearness = left <= 3 * DAY_MS ? "now" : left <= 14 * DAY_MS ? "near" : "soon";
  return { ends, days: Math.floor(left / DAY_MS), nearness };
}

/** One line for a person, in the colour of how near the end is. @param stream that the line is for */
export const certificateLine = (
  certificate: CertificateEnd,
  stack: string,
  stream: NodeJS.WriteStream = process.stdout,
): string =>
  paint(
    certificate.nearness === "now" ? ["bold", "red"] : "yellow",
    describeCertificate(certificate, stack),
    stream,
  );

/** Pure: one line for a person. The last three days it begins with what is to be done today. */
export function describeCertificate({ ends, days, nearness }: CertificateEnd, stack: string): string {
  const date = ends.slice(0, 10);
  const when =
    days < 0 ? `ended on ${date}` : days === 0 ? `ends today (${date})` : `ends in ${days} days (${date})`;
  return (
    `${nearness === "now" ? "To be done today: the" : "The"} edge's certificate ${when}. Raise omniai:certificateSerial by one and run \`${npmRun("up", stack)}\`; ` +
    "whoever was given the old one needs the new one then."
  );
}
