/** The backup room of a stack, as `ops` talks to it: its program is run in its container and says JSON, a line a step. */
import { createInterface } from "node:readline";
import { PassThrough } from "node:stream";
import type Docker from "dockerode";
import { ROOM_PROGRAM } from "../../infra/components/backup/image.ts";
import { exit, OpsError } from "../terminal/errors.ts";
import { npmRun } from "../terminal/npm-run.ts";
import { ago } from "../terminal/output.ts";
import { listContainers, type ContainerView } from "./containers.ts";
import { startIn } from "./exec.ts";

/** One backup, as the room lists it. */
export interface BackupView {
  readonly id: string;
  /** A dump, or a base backup, from which the log leads to any later moment; or a copy of Redis. */
  readonly kind: "dump" | "base" | "redis";
  /** Of a base backup: full or incremental. */
  readonly level: string | null;
  /** verified, not verified or damaged. */
  readonly state: string;
  /** What is wrong with a damaged one. */
  readonly problem: string | null;
  readonly takenAt: string | null;
  readonly bytes: number;
  readonly seconds: number | null;
  /** The version of PostgreSQL, or of Redis, that it is of. */
  readonly server: string | null;
  readonly verifiedAt: string | null;
  /** Of a copy of Redis: its keys. */
  readonly rows: number | null;
}

/** Pure: "1000 rows", or keys of Redis. */
export const describeRows = ({ kind, rows }: Pick<BackupView, "kind" | "rows">): string =>
  `${rows ?? 0} ${kind === "redis" ? "keys" : "rows"}`;

/** How the room is. */
export interface RoomStatus {
  readonly at: string;
  readonly zone: string;
  /** What is wrong, in sentences; empty when all is well. */
  readonly problems: readonly string[];
  readonly newest: BackupView | null;
  readonly backups: number;
  readonly verified: number;
  readonly freeBytes: number;
  /** How far PostgreSQL's log has arrived; null where others run it, who show nobody their log. */
  readonly log: { readonly lagSeconds: number } | null;
  /** Whether others run PostgreSQL. Missing: a room of a version before this says nothing of it. */
  readonly external?: boolean;
  readonly running: { readonly what: string; readonly since: string } | null;
  /** Null for a stack without copies off-site. */
  readonly offsite: OffsiteStatus | null;
}

/** One copy off-site. */
export interface CopyView {
  readonly id: string;
  /** ISO 8601. */
  readonly at: string;
  readonly stack: string;
  /** All that it holds, before it was packed. */
  readonly bytes: number | null;
}

/** How the copies off-site are. */
export interface OffsiteStatus {
  /** The address of the repository. */
  readonly repository: string;
  readonly minutes: number;
  readonly last: {
    readonly id: string;
    readonly at: string;
    readonly bytes: number;
    /** What of it was new, as it was sent. */
    readonly sent: number;
    readonly seconds: number;
    /** The id of the operator's key. */
    readonly key: string;
  } | null;
  readonly failure: { readonly at: string; readonly what: string } | null;
  /** When a part of the repository was read back and was good. */
  readonly checkedAt: string | null;
}

/** A line of the room's program. */
export type RoomEvent =
  | { readonly event: "step"; readonly text: string; readonly of?: number }
  | { readonly event: "progress"; readonly bytes: number; readonly of: number; readonly database?: string }
  | { readonly event: "left"; readonly text: string }
  | { readonly event: "error"; readonly what: string; readonly remedy: string }
  | ({ readonly event: "done" } & Readonly<Record<string, unknown>>);

/** The room's exit code while another run has its lock. */
const BUSY = 3;

/** The id of the room's running container, out of the stack's containers; undefined for a stack without one. */
export const roomIn = (views: readonly ContainerView[]): string | undefined =>
  views.find(({ workload, state }) => workload === "backup" && state === "running")?.id;

/** The stack has no room, or it does not run. */
export class NoRoomError extends OpsError {}

/** @throws NoRoomError that says how a stack gets the room */
export async function requireRoom(docker: Docker, stack: string): Promise<string> {
  const views = (await listContainers(docker, stack)).filter(({ workload }) => workload === "backup");
  const running = views.find(({ state }) => state === "running");
  if (running !== undefined) return running.id;
  throw new NoRoomError(
    views.length === 0
      ? `Stack ${stack} has no backup room.`
      : `The backup room of stack ${stack} does not run (${views[0]?.state ?? "gone"}).`,
    views.length === 0
      ? `Set omniai:backups: always in Pulumi.${stack}.yaml and deploy it: ${npmRun("up", stack)}`
      : `Start it: ${npmRun("up", stack)}. Why it ended: ${npmRun("logs", stack, "backup")}`,
  );
}

/** Pure: a line of the room's program; undefined for any other line. */
export function parseEvent(line: string): RoomEvent | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null && "event" in value ? (value as RoomEvent) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * What the room's program says on both its outputs, to their end.
 * @param stream as the engine hands it out. @returns its last event, and the last line that is none of its own
 */
export async function hear(
  docker: Docker,
  stream: NodeJS.ReadableStream,
  onEvent: (event: RoomEvent) => void,
): Promise<{ readonly last: RoomEvent | undefined; readonly lastError: string }> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  docker.modem.demuxStream(stream, stdout, stderr);
  stream.on("end", () => {
    stdout.end();
    stderr.end();
  });
  const errors: string[] = [];
  createInterface({ input: stderr }).on("line", (line) => void errors.push(line));
  let last: RoomEvent | undefined;
  for await (const line of createInterface({ input: stdout })) {
    const event = parseEvent(line);
    if (event === undefined) continue;
    last = event;
    onEvent(event);
  }
  return { last, lastError: errors.at(-1) ?? "it said nothing" };
}

/**
 * Runs a verb of the room's program to its end. It goes on in the room when this process is ended.
 * @param input what it reads on its standard input; default: nothing.
 * @returns what the program's last line says. @throws OpsError with the room's own words
 */
export async function askRoom<Answer>(
  docker: Docker,
  room: string,
  args: readonly string[],
  onEvent: (event: RoomEvent) => void = () => undefined,
  input?: string,
): Promise<Answer> {
  const { exec, stream } = await startIn(docker, room, [...ROOM_PROGRAM, ...args], { input });
  const { last, lastError } = await hear(docker, stream, onEvent);
  const { ExitCode } = await exec.inspect();
  if (ExitCode === 0 && last?.event === "done") return last as Answer;
  if (last?.event === "error")
    throw new OpsError(last.what, last.remedy, ExitCode === BUSY ? exit.locked : exit.failed);
  throw new OpsError(
    `The backup room gave up with exit code ${ExitCode ?? "unknown"}: ${lastError}`,
    ExitCode === 137
      ? "It was killed, most likely for its memory: raise omniai:backupMemory, deploy, and run this again."
      : "Run this again; if it stays like that, `npm run logs -- backup` may say more.",
  );
}

/** What there is of a PostgreSQL that others run. */
export const DUMPS_ALONE =
  "Of an external PostgreSQL there are dumps alone: no log, and no moment in between. Those are its provider's.";

/** Pure: one line about the room's backups. */
export const describeRoom = ({ newest, verified, log, external = false }: RoomStatus): string => {
  if (newest?.takenAt == null) return "No verified backup yet.";
  const since = log === null ? "" : ` Changes since are received (${log.lagSeconds} s behind).`;
  return (
    `The newest verified backup is from ${ago(new Date(newest.takenAt))} (${newest.id}); ${verified} in all.` +
    (external ? ` ${DUMPS_ALONE}` : since)
  );
};

/** Pure: one line about the copies off-site. */
export const describeOffsite = ({ repository, last, checkedAt }: OffsiteStatus): string =>
  last === null
    ? `No copy off-site yet (${repository}).`
    : `The newest copy off-site is from ${ago(new Date(last.at))} (${last.id}, key ${last.key}); ` +
      (checkedAt == null ? "none was read back yet." : `read back ${ago(new Date(checkedAt))}.`);
