/** What a person is told when data is lost: what is gone, since when, which backups there are, and how they come back. */
import type Docker from "dockerode";
import { dataVolumeName } from "../../infra/resources/volume.ts";
import { askRoom, roomIn, type BackupView } from "../engine/backup-room.ts";
import { listContainers } from "../engine/containers.ts";
import { within } from "../engine/within.ts";
import { OpsError } from "../terminal/errors.ts";
import { npmRun } from "../terminal/npm-run.ts";
import type { Looked, Trouble } from "./looked.ts";
import { nameOf, resourcesOf, types, type State } from "./state.ts";

/** What is known of the backups of a stack. */
export interface Backups {
  /** Whether the stack has a backup room. */
  readonly room: boolean;
  /** Whether their own volume is lost as well. */
  readonly lost: boolean;
  /** Where copies off-site are; empty without them. */
  readonly offsite: string;
  /** What the room says that it has; undefined when it does not answer. */
  readonly list?: readonly BackupView[];
}

/** How long the room may take to say what it has, in ms. The message goes out without it. */
const ROOM_MS = 10_000;

/** What the room has; undefined where there is none, or where it does not answer. */
async function askForList(docker: Docker, stack: string): Promise<readonly BackupView[] | undefined> {
  const asked = (async () => {
    const room = roomIn(await listContainers(docker, stack));
    if (room === undefined) return undefined;
    return (await askRoom<{ readonly backups: readonly BackupView[] }>(docker, room, ["list"])).backups;
  })().catch(() => undefined);
  return within(ROOM_MS, asked, () => undefined);
}

const hasRoom = (state: State, stack: string): boolean =>
  resourcesOf(state, types.container).some(({ urn }) => nameOf(urn) === `omniai-${stack}-backup`);

const at = (time: string | undefined): string =>
  time === undefined ? "" : `${time.slice(0, 19).replace("T", " ")} UTC`;

/**
 * All that is lost, in one message.
 * @param refused what the command stops for. @param troubles all that is wrong, also what was accepted. @param anew the
 * command that begins anew.
 */
export async function lostData(
  looked: Looked,
  refused: readonly Trouble[],
  troubles: readonly Trouble[],
  anew: string,
): Promise<OpsError> {
  const { docker, stack, state, served } = looked;
  const moved = refused.filter(({ kind }) => kind === "moved");
  if (moved.length > 0) return movedAway(looked, moved);
  const lost = troubles.some(({ workload }) => workload === "backup");
  const room = hasRoom(state, stack);
  const list = room && !lost ? await askForList(docker, stack) : undefined;
  const backups: Backups = { room, lost, offsite: looked.offsite ?? "", list };
  const seen =
    served === undefined
      ? ""
      : ` It was there when the stack was deployed well last, ${at(served.time)} by ${served.who}.`;
  const others = refused.filter(({ kind }) => kind === "other").map(({ volume }) => volume);
  const away =
    others.length === 0
      ? "To begin anew where data is lost, which comes before every restore"
      : `To begin anew, which comes before every restore, put ${others.join(", ")} away yourself (docker volume rm ${others.join(" ")}), and then run`;
  return new OpsError(
    `${refused.map((trouble) => describeLoss(looked, trouble)).join(" ")}${seen} Nothing was changed.`,
    `If a copy of the volume exists (on another disk or engine), bring it back under its name and run the command again.\n` +
      refused.map(({ workload }) => `  ${describeBackups(stack, workload, backups)}\n`).join("") +
      `  ${away}: ${anew}`,
  );
}

/** Nothing of it is lost, so nothing may begin anew. */
const movedAway = ({ dockerHost, stack }: Looked, moved: readonly Trouble[]): OpsError =>
  new OpsError(
    `The data of ${moved.map(({ workload }) => workload).join(", ")} in stack ${stack} was moved from this engine (${dockerHost}) to another machine; ` +
      `what is in ${moved.map(({ volume }) => volume).join(", ")} is as it was before. Nothing was changed.`,
    `Name that machine in omniai:dockerHost: the move has written it into Pulumi.${stack}.yaml of its checkout.\n` +
      `  Where the move was broken off, go on from that checkout, or give it up there: ${npmRun("move", stack, "--back")}`,
  );

function describeLoss({ dockerHost, stack }: Looked, trouble: Trouble): string {
  const { workload, volume, kind, identity, found, since } = trouble;
  const begun = since === undefined ? "" : `, begun ${at(since)},`;
  const what = {
    gone: `volume ${volume} is not on the engine (${dockerHost}) any more.`,
    emptied: `volume ${volume} is on the engine (${dockerHost}), but the data is not in it.`,
    moved: `volume ${volume} on the engine (${dockerHost}) has what was there before a move.`,
    other: `volume ${volume} on the engine (${dockerHost}) holds other data (${found} instead of ${identity}).`,
  }[kind];
  return `The data of ${workload} in stack ${stack}${begun} is lost: ${what}`;
}

/** Pure: which backups of a workload there are, and how they come back once the stack runs again. */
export function describeBackups(stack: string, workload: string, backups: Backups): string {
  const { room, lost, offsite, list } = backups;
  const volume = dataVolumeName(stack, "backup");
  const fetch = npmRun("backup", stack, "fetch");
  if (workload === "backup")
    return offsite === ""
      ? "The backups in it are gone, and there are no copies off-site (omniai:offsiteBucket). The room takes new ones as soon as it runs again."
      : `The backups in it are off-site as well (${offsite}). Begin anew as below, and then bring them back: ${fetch}`;
  if (!room) return `There is no backup of ${workload}: stack ${stack} has no backup room (omniai:backups).`;
  const redis = workload === "redis";
  const restore = (which: string): string =>
    npmRun("restore", stack, ...(redis ? ["--redis"] : []), which, "--replace");
  if (lost && offsite === "")
    return `There is no backup of ${workload} any more: the backups were in volume ${volume}, which is lost as well, and there are no copies off-site (omniai:offsiteBucket).`;
  if (lost)
    return (
      `The backups of ${workload} were in volume ${volume}, which is lost as well; copies are off-site (${offsite}). ` +
      // A new room soon has copies of the empty Redis, and of those none is wanted.
      `They come back in three steps: begin anew as below, then ${fetch}, and then ${redis ? `${restore("--id ID")} with the newest redis-… that was fetched (${npmRun("backup", stack, "list")})` : restore("--latest")}`
    );
  const own = list?.filter(({ kind }) => (kind === "redis") === redis);
  if (own?.length === 0)
    return `There is no backup of ${workload}: the backup room of stack ${stack} has none yet.`;
  return `Its backups are in volume ${volume}${own === undefined ? "" : `: ${summary(own)}`}. They come back in two steps, because a restore needs a server to restore into: begin anew as below, and then ${restore("--latest")}`;
}

/** Pure: "3, the newest base-2026… of 2026-01-02 03:04:05 UTC (verified)". */
function summary(backups: readonly BackupView[]): string {
  const [newest] = [...backups].sort((left, right) =>
    (right.takenAt ?? "").localeCompare(left.takenAt ?? ""),
  );
  return newest === undefined
    ? "none"
    : `${backups.length}, the newest ${newest.id} of ${at(newest.takenAt ?? undefined) || "an unknown time"} (${newest.state})`;
}
