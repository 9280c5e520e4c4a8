/**
 * Whether a stack is still on the engine and on the data that its state knows, looked at before anything is changed
 * (docs/decisions/0033-identity.md).
 */
import { engineRecordName } from "../../infra/resources/engine-record.ts";
import { MOVED_FILE } from "../../infra/resources/identity.ts";
import { claimName, DATA_WORKLOADS, dataVolumeName, identityName } from "../../infra/resources/volume.ts";
import { unlessGone } from "../engine/connection.ts";
import { readVolumeFile } from "../engine/volume-file.ts";
import { exit, OpsError } from "../terminal/errors.ts";
import { npmRun } from "../terminal/npm-run.ts";
import { checkExchange, readIdentity } from "./exchange-stage.ts";
import { remembered, withoutResources } from "./forgotten-record.ts";
import { isMapping } from "./json.ts";
import { isLeft, leftBehind } from "./left-behind.ts";
import type { KnownVolume, Looked, Trouble } from "./looked.ts";
import { lostData } from "./lost-data.ts";
import { nameOf, resourcesOf, types, type State, type StateResource } from "./state.ts";

/** A Docker engine, as it calls itself. */
export interface EngineIdentity {
  readonly id: string;
  readonly name: string;
}

/** What an operator has allowed on the command line. */
export interface Allowed {
  /** Workloads whose data may begin anew. */
  readonly acceptEmpty?: readonly string[];
  /** Whether the stack may be on another engine than before. */
  readonly move?: boolean;
}

/** What the next update has to do so that the state fits. */
export interface Settlement {
  /** URNs that the state forgets, so that Pulumi makes them anew. Protected ones cannot be replaced. */
  readonly forget: readonly string[];
}

/** Every workload that can have data. */
const workloads = (state: State, stack: string): string[] => {
  const names = new Set(resourcesOf(state).map(({ urn }) => nameOf(urn)));
  return DATA_WORKLOADS.filter(
    (workload) => names.has(dataVolumeName(stack, workload)) || names.has(identityName(stack, workload)),
  );
};

const named = (state: State, name: string): StateResource[] =>
  resourcesOf(state).filter(({ urn }) => nameOf(urn) === name);

const textOf = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);

/**
 * Pure: the data volumes that the state knows.
 * @param servedAt when the last deploy of the stack that went well ended, ISO 8601: what was made before that had its identity then.
 */
export function knownVolumes(state: State, stack: string, servedAt = ""): KnownVolume[] {
  return workloads(state, stack).map((workload) => {
    const volume = dataVolumeName(stack, workload);
    const [identity] = named(state, identityName(stack, workload));
    const [declared] = named(state, volume);
    const since = identity?.created ?? declared?.created;
    return {
      workload,
      volume,
      identity: textOf(identity?.outputs?.["result"]),
      declared: declared !== undefined,
      claimed:
        named(state, claimName(stack, workload)).length > 0 ||
        (identity === undefined ? declared !== undefined : (since ?? "9") < servedAt),
      since,
    };
  });
}

/**
 * Pure: what is wrong with a volume.
 * @param there whether the engine has a volume of that name. @param found the identity in it. @param moved whether a move has taken
 * its data to another machine.
 */
export function judgeVolume(
  known: KnownVolume,
  there: boolean,
  found?: string,
  moved = false,
): Trouble | undefined {
  if (!there) return known.claimed || known.declared ? { ...known, kind: "gone" } : undefined;
  if (known.identity === undefined || found === known.identity) return undefined;
  if (found !== undefined) return { ...known, kind: "other", found };
  if (moved) return { ...known, kind: "moved" };
  return known.claimed ? { ...known, kind: "emptied" } : undefined;
}

/** Pure: the engine that the state says the stack is on. */
export function recordedEngine(state: State, stack: string): EngineIdentity | undefined {
  const stdout = named(state, engineRecordName(stack))[0]?.outputs?.["stdout"];
  try {
    const said: unknown = JSON.parse(textOf(stdout) ?? "");
    if (!isMapping(said)) return undefined;
    const { id, name } = said;
    return typeof id === "string" && id !== "" ? { id, name: textOf(name) ?? "" } : undefined;
  } catch {
    return undefined;
  }
}

/** Pure: when a change had ended, ISO 8601. What it made is younger than its beginning. */
export const endOf = ({ time, seconds }: { readonly time: string; readonly seconds: number }): string =>
  new Date(Date.parse(time) + seconds * 1000).toISOString();

/** What a run has let the state forget, and did not come to making anew, is still the stack's. */
const asRemembered = (looked: Looked): Looked => ({ ...looked, state: remembered(looked.state).state });

/** What the engine has of the data that the state knows. */
async function lookAtData(looked: Looked): Promise<{
  readonly troubles: readonly Trouble[];
  /** Whether some data proves that this is the stack's engine, and none is missing. */
  readonly proved: boolean;
  /** Whether there is data that could not be looked at. */
  readonly unread: boolean;
}> {
  const troubles: Trouble[] = [];
  let [proved, unread] = [false, false];
  const { stack, state, served } = looked;
  for (const one of knownVolumes(state, stack, served && endOf(served))) {
    const seen = await lookAt(looked, one).catch((error: unknown) => {
      if (looked.passOver && isRefusedToLook(error)) return "unread" as const;
      throw error;
    });
    if (seen === "unread") unread = true;
    else if (seen !== undefined) troubles.push(seen);
    else if (one.identity !== undefined && one.claimed) proved = true;
  }
  return { troubles, proved: proved && troubles.length === 0 && !unread, unread };
}

/** Pure: whether the key may not look, or the engine has nothing to look with. */
const isRefusedToLook = (error: unknown): boolean =>
  error instanceof OpsError || (error as { statusCode?: number }).statusCode === 403;

/** The workloads whose data is not there, so that it would begin anew. */
export async function emptyWorkloads(looked: Looked): Promise<string[]> {
  const { troubles } = await lookAtData(looked);
  return troubles.filter(({ kind }) => kind === "gone" || kind === "emptied").map(({ workload }) => workload);
}

/** What is told to who is on another engine: how to move there, how to do without the former one, or neither. */
type Purpose = "up" | "down" | "other";

/** For a command that takes the stack down: it needs no data, and must not take another engine for an empty one. @throws OpsError */
export async function checkSameEngine(looked: Looked, move: boolean): Promise<void> {
  await checkEngine(asRemembered(looked), move, "down");
}

/** For a command that looks at data itself, or brings some back, before anything else is looked at. @throws OpsError */
export async function checkOwnEngine(looked: Looked): Promise<void> {
  await checkEngine(asRemembered(looked), false, "other");
}

/**
 * For a command that judges the stack and changes nothing. With a key that may only look, data that was emptied or exchanged for
 * other data is not noticed; data that is gone is.
 * @throws OpsError when the engine or the data is not what the state knows
 */
export async function checkToJudge(seen: Looked): Promise<void> {
  const looked = asRemembered(seen);
  const tolerant = { ...looked, passOver: true };
  await checkEngine(tolerant, false, "other");
  for (const workload of ["postgres", "redis"] as const)
    await checkExchange(looked, workload).catch((error: unknown) => {
      if ((error as { statusCode?: number }).statusCode !== 403) throw error;
    });
  const { troubles } = await lookAtData(tolerant);
  if (troubles.length === 0) return;
  const { message, remedy } = await lostData(
    looked,
    troubles,
    troubles,
    upAnew(looked.stack, troubles, false),
  );
  throw new OpsError(message, remedy, exit.drift);
}

/** @throws OpsError when the engine or the data is not what the state knows, and that was not allowed */
export async function checkIdentity(seen: Looked, allowed: Allowed = {}): Promise<Settlement> {
  const whole = asRemembered(seen);
  const { stack, state: before } = whole;
  const record = await checkEngine(whole, allowed.move === true, "up");
  const left = leftBehind(whole, allowed.acceptEmpty ?? []);
  const state = withoutResources(before, left);
  const looked = { ...whole, state };
  // What is half aside is not lost, and a fresh start would be the only thing that loses it.
  for (const workload of ["postgres", "redis"] as const) await checkExchange(looked, workload);
  const { troubles } = await lookAtData(looked);
  const refused = troubles.filter(
    ({ workload, kind }) =>
      kind === "other" || kind === "moved" || allowed.acceptEmpty?.includes(workload) !== true,
  );
  if (refused.length > 0)
    throw await lostData(looked, refused, troubles, upAnew(stack, troubles, allowed.move === true));
  const forget = troubles.flatMap((trouble) =>
    namesOf(stack, trouble).flatMap((name) => named(state, name).map(({ urn }) => urn)),
  );
  for (const workload of allowed.acceptEmpty ?? []) {
    if (troubles.some((trouble) => trouble.workload === workload)) continue;
    if (isLeft(before, stack, left, workload)) continue;
    throw new OpsError(
      `The data of ${workload} is where it should be, or ${workload} is no workload with data: there is nothing empty to accept.`,
      `Run the command without --accept-empty ${workload}.`,
      exit.usage,
    );
  }
  return { forget: [...left, ...forget, ...record] };
}

const isMoved = async ({ docker, stack, bringImages }: Looked, { volume }: KnownVolume): Promise<boolean> =>
  (await readVolumeFile(docker, { stack, volume, path: MOVED_FILE }, bringImages)) !== undefined;

async function lookAt(looked: Looked, known: KnownVolume): Promise<Trouble | undefined> {
  const there = (await unlessGone(looked.docker.getVolume(known.volume).inspect())) !== undefined;
  const found =
    there && known.identity !== undefined ? await readIdentity(looked, known.workload) : undefined;
  const moved =
    there && known.identity !== undefined && found === undefined && (await isMoved(looked, known));
  return judgeVolume(known, there, found, moved);
}

/** What the state forgets so that a workload begins anew. A volume that is there stays. */
const namesOf = (stack: string, { workload, kind, volume }: Trouble): string[] => [
  identityName(stack, workload),
  claimName(stack, workload),
  ...(kind === "gone" ? [volume] : []),
];

/** @returns the record to make anew. @throws OpsError */
async function checkEngine(looked: Looked, move: boolean, purpose: Purpose): Promise<string[]> {
  const { docker, dockerHost, stack, state } = looked;
  const recorded = recordedEngine(state, stack);
  const { ID: id, Name: name } = (await docker.info()) as { ID?: string; Name?: string };
  // Some engines have no id.
  if (recorded === undefined || !id || id === recorded.id) return [];
  const record = named(state, engineRecordName(stack)).map(({ urn }) => urn);
  if (move) return record;
  // Nothing is brought to an engine that is most likely another one: it is only looked at for the message.
  const data =
    name === recorded.name
      ? await lookAtData(looked)
      : await lookAtData({ ...looked, bringImages: undefined, passOver: false }).catch(() => undefined);
  // An engine that was set up anew on the same disk gives itself another id. Its name and its volumes prove that it is the
  // one. The volumes alone do not: an engine that the stack was moved away from still has them, as they were then.
  if (name === recorded.name && data?.proved) return record;
  const volumes = knownVolumes(state, stack).map(({ volume }) => volume);
  const containers = resourcesOf(state, types.container).length;
  throw new OpsError(
    `Stack ${stack} is on another Docker engine: its state knows the engine "${recorded.name}" (${recorded.id}), and ${dockerHost} is "${name ?? ""}" (${id}). ` +
      `On the former are ${volumes.join(", ") || "no data volumes"} and ${containers} containers. ${data === undefined || data.unread ? "" : hereOf(data.troubles, volumes.length)} Nothing was changed.`,
    "If that is a mistake, name the former engine in omniai:dockerHost, or in DOCKER_HOST." +
      {
        up:
          `\n  To move the stack here, bring its data along first (docs/environments.md, "Another engine"), and then run: ${npmRun("up", stack, "--move")}` +
          (data === undefined || data.troubles.length === 0
            ? ""
            : `\n  To begin anew here without the data: ${upAnew(stack, data.troubles, true)}`),
        down: `\n  If the former engine is no more, take the stack down without it: ${npmRun("down", stack, "--move")}`,
        other:
          `\n  Where the stack is to be on this engine: docs/environments.md, "Another engine".` +
          (name === recorded.name
            ? ` If that machine was only set up anew, ${npmRun("up", stack)} finds the data there and records the engine.`
            : ""),
      }[purpose],
  );
}

/** What of the data is on an engine that is not the stack's. */
const hereOf = (troubles: readonly Trouble[], volumes: number): string => {
  if (volumes === 0) return "";
  if (troubles.length === 0)
    return "The same data is here, but the engine has another name: the stack may have been moved away from it.";
  return `Not here: the data of ${troubles.map(({ workload }) => workload).join(", ")}.`;
};

/** The whole command that begins anew wherever data is lost. */
const upAnew = (stack: string, troubles: readonly Trouble[], move: boolean): string =>
  npmRun(
    "up",
    stack,
    ...(move ? ["--move"] : []),
    `--accept-empty ${troubles.map(({ workload }) => workload).join(",")}`,
  );
