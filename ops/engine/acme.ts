/** The edge's certificate of an ACME authority, as the room that gets it knows it. */
import type Docker from "dockerode";
import { ROOM_PROGRAM } from "../../infra/components/certificates/image.ts";
import { ago } from "../terminal/output.ts";
import type { ContainerView } from "./containers.ts";
import { execIn } from "./exec.ts";

/** What the room says (room/certificates/state.py). Moments are ISO dates and times. */
export interface AcmeState {
  readonly hosts: readonly string[];
  /** The address of the authority's directory. */
  readonly directory: string;
  /** When the newest certificate ends; null while there is none. */
  readonly ends: string | null;
  /** Its SHA-256 in hexadecimal digits. */
  readonly fingerprint: string | null;
  /** Whether the edge shows it; null where the edge could not be asked. */
  readonly served: boolean | null;
  /** How many tries failed in a row, since when, and why the last one. */
  readonly failures: number;
  readonly since: string | null;
  readonly problem: string | null;
  /** When the authority was asked last, and when it is next. */
  readonly tried: string | null;
  readonly next: string | null;
}

/** Undefined for a stack without an authority's certificates, and where the room does not run. */
export async function readAcme(
  docker: Docker,
  views: readonly ContainerView[],
): Promise<AcmeState | undefined> {
  const room = views.find(({ workload, state }) => workload === "certificates" && state === "running")?.id;
  if (room === undefined) return undefined;
  const { exitCode, output } = await execIn(docker, room, [...ROOM_PROGRAM, "status"]);
  return exitCode === 0 ? (JSON.parse(output) as AcmeState) : undefined;
}

const DAY_MS = 86_400_000;
const minute = (at: string): string => `${at.slice(0, 16).replace("T", " ")} UTC`;

/** Pure: what there is, in one line. */
export function describeAcme({ hosts, directory, ends, served }: AcmeState, now: Date = new Date()): string {
  const authority = new URL(directory).host;
  if (ends === null)
    return `No certificate of ${authority} for ${hosts.join(", ")} yet: the edge serves the generated one, which no browser trusts.`;
  const left = Math.floor((Date.parse(ends) - now.getTime()) / DAY_MS);
  const when = left < 0 ? `ended on ${ends.slice(0, 10)}` : `ends in ${left} days (${ends.slice(0, 10)})`;
  const shown = served === true ? "" : " The edge does not show it yet.";
  return `The certificate of ${authority} for ${hosts.join(", ")} ${when}.${shown}`;
}

/** Pure: what is wrong, in one line; undefined when nothing is. */
export function describeAcmeProblem({ failures, since, problem, next }: AcmeState): string | undefined {
  if (problem === null) return undefined;
  const times =
    failures > 1 ? `${failures} tries failed since ${ago(new Date(since ?? 0))}` : "The last try failed";
  return `${times}: ${problem.replace(/\.?$/, ".")}${next === null ? "" : ` The next one is at ${minute(next)}.`}`;
}
