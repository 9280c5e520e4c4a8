/** `npm run backup`: takes a backup now, lists, proves and clears up. The room does the work; this shows it. */
import type Docker from "dockerode";
import {
  askRoom,
  describeRows,
  DUMPS_ALONE,
  requireRoom,
  type BackupView,
  type CopyView,
  type OffsiteStatus,
  type RoomEvent,
  type RoomStatus,
} from "../../engine/backup-room.ts";
import { refuseWithoutDumps } from "../../stack/external.ts";
import { openEngine } from "../../stack/look.ts";
import { findPlace, type CommonOptions, type Place } from "../../stack/place.ts";
import { isOffsite, sealState } from "../../stack/seal.ts";
import { openSession } from "../../stack/session.ts";
import { signals } from "../../stack/this-process.ts";
import { npmRun } from "../../terminal/npm-run.ts";
import { ago, bytes, paint, print, printJson, table } from "../../terminal/output.ts";
import { showEvents } from "./progress.ts";

export interface BackupOptions extends CommonOptions {
  readonly id?: string;
  /** Of `key`: another one. */
  readonly rotate?: boolean;
}

interface Listing {
  readonly backups: readonly BackupView[];
  readonly status: RoomStatus;
}

export async function backup(action: string, options: BackupOptions): Promise<void> {
  const place = findPlace(options);
  if (action === "key") return (await import("./show-key.ts")).showKey(options);
  refuseWithoutDumps(place.stack, place.settings.config, "a backup");
  const { docker } = await openEngine(place, options);
  const room = await requireRoom(docker, place.stack);
  signals.begin({ title: `asking the backup room of stack ${place.stack}` });
  const show: (event: RoomEvent) => void = options.json ? () => undefined : showEvents();
  switch (action) {
    case "list": {
      const { backups, status } = await askRoom<Listing>(docker, room, ["list"]);
      const copies = status.offsite == null ? undefined : await listCopies(docker, room);
      if (options.json) printJson({ stack: place.stack, ...status, backups, ...copies });
      else printList(place.stack, backups, status);
      if (!options.json && copies !== undefined) printCopies(copies);
      break;
    }
    case "verify": {
      const id = options.id === undefined ? [] : ["--id", options.id];
      const answer = await askRoom<{ backup: BackupView }>(docker, room, ["verify", ...id], show);
      finish(answer.backup, "is verified: it restores, and what it restores is what was there.", options);
      break;
    }
    case "prune": {
      const { removed } = await askRoom<{ removed: readonly string[] }>(docker, room, ["prune"], show);
      if (options.json) printJson({ removed });
      else if (removed.length === 0) print("Nothing has to go: every backup is kept for a reason.");
      break;
    }
    case "fetch": {
      const id = options.id === undefined ? [] : ["--copy", options.id];
      const fetched = await askRoom<Fetched>(docker, room, ["fetch", ...id, "--wait", PATIENCE], show);
      if (options.json) return printJson(fetched);
      const { copy, brought } = fetched;
      print(
        `${paint("green", "✓")} Copy ${paint("bold", copy.id)} of ${copy.at} is on the backup volume (${brought.length} backups that were not there).`,
      );
      print(`To try a restore: ${npmRun("restore", place.stack, "--latest")}`);
      break;
    }
    case "check": {
      await askRoom(docker, room, ["check"], show);
      if (options.json) printJson({ stack: place.stack, good: true });
      else print(`${paint("green", "✓")} All of the copies off-site was read back, and is what was sent.`);
      break;
    }
    default: {
      const { backups } = await askRoom<{ backups: readonly BackupView[] }>(docker, room, ["backup"], show);
      await sendOff(place, docker, room, options, show);
      if (options.json) return printJson(backups);
      for (const view of backups) finish(view, "is taken and verified.", options);
      print(`To try a restore: ${npmRun("restore", place.stack, "--latest")}`);
    }
  }
}

/** So many seconds may the room finish what it is at. */
const PATIENCE = "900";

interface Fetched {
  readonly copy: CopyView;
  readonly brought: readonly string[];
}

interface Copies {
  readonly copies: readonly CopyView[];
  /** Why they cannot be listed. */
  readonly copiesProblem?: string;
}

/** A bucket that does not answer is no reason to show nothing else. */
async function listCopies(docker: Docker, room: string): Promise<Copies> {
  try {
    return { copies: (await askRoom<Copies>(docker, room, ["copies"])).copies };
  } catch (error) {
    return { copies: [], copiesProblem: (error as Error).message };
  }
}

/** With the state as it is now, so that nothing of the stack is missing off-site. */
async function sendOff(
  place: Place,
  docker: Docker,
  room: string,
  options: BackupOptions,
  show: (event: RoomEvent) => void,
): Promise<void> {
  if (!isOffsite(place)) return;
  const { handle } = await openSession(options, { create: false, onlyLooking: true });
  await sealState({ ...place, docker, handle });
  signals.begin({ title: `sending a copy of stack ${place.stack} off-site` });
  const { copy } = await askRoom<{ copy: NonNullable<OffsiteStatus["last"]> }>(
    docker,
    room,
    ["offsite", "--wait", PATIENCE],
    show,
  );
  if (!options.json)
    print(
      `${paint("green", "✓")} Copy ${paint("bold", copy.id)} is off-site (${bytes(copy.sent)} of ${bytes(copy.bytes)} were new).`,
    );
}

function printCopies({ copies, copiesProblem }: Copies): void {
  const first = copies.at(-1);
  const [newest] = copies;
  if (copiesProblem !== undefined) print(`  ${paint("red", copiesProblem)}`);
  else if (newest === undefined || first === undefined) print("  Off-site: no copy yet.");
  else
    print(
      `  Off-site: ${copies.length} copies, the newest ${newest.id} from ${ago(new Date(newest.at))}, the oldest ${first.id} from ${ago(new Date(first.at))}.`,
    );
}

function finish(view: BackupView, text: string, { json }: BackupOptions): void {
  if (json) return printJson(view);
  const rows = view.rows === null ? "" : `, ${describeRows(view)}`;
  print(`${paint("green", "✓")} Backup ${paint("bold", view.id)} (${bytes(view.bytes)}${rows}) ${text}`);
}

const marks: Readonly<Record<string, string>> = { verified: "✓", damaged: "✗" };

function printList(stack: string, backups: readonly BackupView[], status: RoomStatus): void {
  const rows = backups.map((one) => [
    paint(one.state === "verified" ? "green" : "red", marks[one.state] ?? "?"),
    one.id,
    one.level ?? one.kind,
    one.takenAt === null ? "" : ago(new Date(one.takenAt)),
    bytes(one.bytes),
    one.server === null
      ? ""
      : `${one.kind === "redis" ? "Redis" : "PostgreSQL"} ${one.server.split(" ")[0] ?? ""}`,
    one.state === "verified" ? `verified, ${describeRows(one)}` : (one.problem ?? one.state),
  ]);
  for (const line of table(rows)) print(line);
  if (backups.length === 0) print(`Stack ${stack} has no backup yet. Take one: ${npmRun("backup", stack)}`);
  print(`  ${bytes(status.freeBytes)} free; a backup is due every day at ${status.at} (${status.zone}).`);
  if (status.external) print(`  ${DUMPS_ALONE}`);
  if (status.running !== null) print(`  At work: ${status.running.what}, since ${status.running.since}.`);
  for (const problem of status.problems) print(`  ${paint("red", problem)}`);
}
