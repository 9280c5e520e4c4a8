/**
 * The changes of a stack, whoever made them: those that its engine keeps, and those of this machine that may not be there
 * yet (docs/decisions/0032-versions.md).
 */
import type Docker from "dockerode";
import { readChangesVolumes, writeChangesVolume, type ChangesVolume } from "../engine/changes.ts";
import { auditedStacks, closeKilled, readChanges, servingBuild, type Audit, type Change } from "./audit.ts";
import { isMapping } from "./json.ts";
import type { Place } from "./place.ts";
import { publishAuditWith } from "./this-process.ts";
import { goodVersions, KEPT_VERSIONS } from "./versions.ts";

/** How many changes the engine keeps of a stack. */
const KEPT_CHANGES = 100;

const keyOf = ({ time, who, action }: Change): string => `${time} ${who} ${action}`;

/** Pure: all of them once, in the order of time. A change that one list has with its version and another without has it. */
export function mergeChanges(...lists: readonly (readonly Change[])[]): Change[] {
  const merged = new Map<string, Change>();
  for (const change of lists.flat()) {
    const known = merged.get(keyOf(change));
    if (known === undefined || known.version === undefined) merged.set(keyOf(change), change);
  }
  return [...merged.values()].sort((left, right) => left.time.localeCompare(right.time));
}

/**
 * Pure: what is worth keeping: the newest changes, and the changes that brought the versions to go back to, however old.
 * Only these are kept with the config of their version, which is most of a change.
 */
export function worthKeeping(changes: readonly Change[]): Change[] {
  const versions = new Set(
    goodVersions(changes)
      .slice(0, KEPT_VERSIONS)
      .map(({ change }) => change),
  );
  const newest = new Set(changes.slice(-KEPT_CHANGES));
  return changes
    .filter((change) => newest.has(change) || versions.has(change))
    .map((change) => {
      const { version: _, ...rest } = change;
      return versions.has(change) ? change : rest;
    });
}

/** Pure: the changes in a label. What cannot be read is left out, because a later version may write more than this one knows. */
export function parseChanges(text: string): Change[] {
  try {
    const list: unknown = JSON.parse(text);
    return (Array.isArray(list) ? list : []).filter(
      (change): change is Change =>
        isMapping(change) &&
        typeof change["time"] === "string" &&
        typeof change["who"] === "string" &&
        typeof change["action"] === "string",
    );
  } catch {
    return [];
  }
}

const changesIn = (volumes: readonly ChangesVolume[]): Change[][] =>
  volumes.map(({ text }) => parseChanges(text));

type Where = Pick<Place, "stack" | "backend">;

/** The changes of a stack, oldest first. */
export async function stackChanges(docker: Docker, { stack, backend }: Where): Promise<Change[]> {
  const volumes = await readChangesVolumes(docker, stack);
  return mergeChanges(...changesIn(volumes), readChanges(backend.stateDir, stack));
}

/** The change that was the last good deploy of a stack, whoever made it. */
export const lastGoodDeploy = async (docker: Docker, place: Where): Promise<Change | undefined> =>
  goodVersions(await stackChanges(docker, place))[0]?.change;

/** The changes of every stack that is on the engine or was changed from here. */
export async function everyStacksChanges(docker: Docker, { backend }: Where): Promise<Change[][]> {
  const volumes = await readChangesVolumes(docker);
  const stacks = new Set([...volumes.map(({ stack }) => stack), ...auditedStacks(backend.stateDir)]);
  return [...stacks].map((name) =>
    mergeChanges(
      ...changesIn(volumes.filter(({ stack }) => stack === name)),
      readChanges(backend.stateDir, name),
    ),
  );
}

/** Gives the engine the changes that it does not have yet. */
export async function publishChanges(docker: Docker, { stack, backend }: Where): Promise<void> {
  closeKilled(backend.stateDir, stack);
  const volumes = await readChangesVolumes(docker, stack);
  const kept = changesIn(volumes);
  const text = JSON.stringify(worthKeeping(mergeChanges(...kept, readChanges(backend.stateDir, stack))));
  if (volumes.length === 1 && volumes[0]?.text === text) return;
  await writeChangesVolume(docker, stack, text, volumes);
}

/** Notes what served before this change. */
export async function followChange(docker: Docker, place: Where, audit: Audit): Promise<void> {
  audit.note({ from: servingBuild(await stackChanges(docker, place)) });
}

/**
 * Gives the engine the change when it has ended. To be called once it is sure that this is the stack's engine: another one
 * must not get the stack's history and configs.
 */
export const publishWhenEnded = ({ docker, stack, backend }: Where & { readonly docker: Docker }): void =>
  publishAuditWith(() => publishChanges(docker, { stack, backend }));
