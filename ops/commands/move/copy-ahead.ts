/** What a move does while the old stack serves: it looks whether the new machine can carry it, and brings images and data there. */
import { writeChangesVolume } from "../../engine/changes.ts";
import { listContainers } from "../../engine/containers.ts";
import { copyVolume, endCopies, tryComparison, type Copied } from "../../engine/volume-copy.ts";
import { volumeSizes } from "../../engine/volumes.ts";
import type { Change } from "../../stack/audit.ts";
import { stackChanges, worthKeeping } from "../../stack/changes.ts";
import { checkMachine, prepareStackImages } from "../../stack/deploy.ts";
import { checkOwnEngine } from "../../stack/identity.ts";
import { writeProgress, type MoveProgress } from "../../stack/move-progress.ts";
import { exportState } from "../../stack/open-stack.ts";
import { ROOT } from "../../stack/place.ts";
import type { Session } from "../../stack/session.ts";
import { say, signals } from "../../stack/this-process.ts";
import { engineDisk, prepareEngine } from "../../stack/toolchain.ts";
import {
  committedConfig,
  configChanges,
  goodVersions,
  rolledBackTo,
  sourceBuild,
} from "../../stack/versions.ts";
import { exit, OpsError } from "../../terminal/errors.ts";
import { npmRun } from "../../terminal/npm-run.ts";
import {
  checkSame,
  describeTightMemory,
  machineOf,
  memoryOf,
  missingBytes,
  obstacles,
  refuseOthers,
  type Machine,
} from "./check.ts";
import { bringImages } from "./images.ts";
import { isLive, movedVolumes, removeContainers, writeOut, type Moved } from "./old-stack.ts";
import type { Work } from "./work.ts";

export interface Ready {
  readonly progress: MoveProgress;
  /** Since when each volume has to be copied once more, in seconds of the old engine's clock; a volume that is missing: all of it. */
  readonly since: ReadonlyMap<string, number>;
}

/** Everything that can be done while the old stack serves. Broken off, it has changed nothing there. */
export async function copyAhead(work: Work, before: MoveProgress | undefined): Promise<Ready> {
  const { host, access, file, from, engine, there } = work;
  const { docker, stack, backend } = from;
  signals.begin({ title: `looking at stack ${stack} and at ${host}` });
  await checkOwnEngine({ docker, dockerHost: from.dockerHost, stack, state: await exportState(from.handle) });
  const changes = await stackChanges(docker, from);
  checkSources(from, changes);
  const volumes = await movedVolumes(docker, stack);
  for (const end of [work.old, work.fresh])
    await endCopies(
      end,
      volumes.map(({ name }) => name),
    );
  const [oldMachine, newMachine] = [await machineOf(docker), await machineOf(engine.docker)];
  await checkMachines(work, volumes, oldMachine, newMachine);
  if (before === undefined) await refuseOthers(engine.docker, stack, host);
  else await takeUp(work, before);
  const progress =
    before === undefined
      ? writeProgress(backend, stack, {
          ...{ step: "copying", host, access, file },
          engines: { old: oldMachine.id, fresh: newMachine.id },
          ran: (await listContainers(docker, stack)).filter(isLive).map(({ id }) => id),
        })
      : writeProgress(backend, stack, { ...before, step: "copying", identities: undefined });
  signals.begin({ title: `bringing the images to ${host}` });
  const context = { ...there.context, env: engine.withEngine(there.context.env) };
  const brought = await bringImages(docker, engine.docker, stack, changes);
  if (brought.length > 0) say(`Brought to ${host}: ${brought.join(", ")}`);
  await prepareStackImages({ ...from, ...there, ...engine, context });
  await writeChangesVolume(engine.docker, stack, JSON.stringify(worthKeeping(changes)), []);
  return { progress, since: await copyBulk(work, volumes) };
}

/** What an earlier try has begun: a way back that was killed may have left servers there, which must not run on what is copied. */
async function takeUp({ from, engine, host }: Work, before: MoveProgress): Promise<void> {
  const { docker, stack } = from;
  await checkSame(docker, before.engines?.old, "the old machine's address");
  await checkSame(engine.docker, before.engines?.fresh, host);
  await removeContainers(engine.docker, stack);
}

/** A move deploys what serves, and nothing new. @throws OpsError */
export function checkSources(from: Session, changes: readonly Change[]): void {
  const [current] = goodVersions(changes);
  const serves = current?.build;
  const sources = sourceBuild(ROOT, from.settings.config);
  const differs = configChanges(current?.config ?? {}, committedConfig(from));
  if (rolledBackTo(changes) === undefined && serves === sources && differs.length > 0)
    throw new OpsError(
      `The config of stack ${from.stack} is not what was deployed last, and a move brings nothing new: ${differs.join(", ")}.`,
      `Deploy it first: ${npmRun("up", from.stack)}; then move.`,
      exit.usage,
    );
  if (rolledBackTo(changes) === undefined && serves === sources) return;
  throw new OpsError(
    `Stack ${from.stack} serves another version (${serves ?? "unknown"}) than the sources of this checkout (${sources}), and a move brings nothing new.`,
    `Check out what serves, or deploy what is here: ${npmRun("up", from.stack)}; then move.`,
    exit.usage,
  );
}

/** In ms. */
const SIZES_LIMIT = 60_000;

async function checkMachines(
  { host, from, engine, there }: Work,
  volumes: readonly Moved[],
  oldMachine: Machine,
  newMachine: Machine,
): Promise<void> {
  const [sizes, brought] = await Promise.all([
    volumeSizes(from.docker, SIZES_LIMIT),
    volumeSizes(engine.docker, SIZES_LIMIT),
  ]);
  const names = volumes.map(({ name }) => name);
  const data = sizes && brought && missingBytes(names, sizes, brought);
  const context = { ...there.context, env: engine.withEngine(there.context.env) };
  await prepareEngine(context);
  const engineIsLocal = !engine.dockerHost.startsWith("ssh://");
  await checkMachine({ ...there, docker: engine.docker, engineIsLocal });
  const free = (await engineDisk(context).catch(() => undefined))?.freeBytes;
  if (free === undefined) say(`How much space the disk of ${host} has cannot be asked from here.`);
  const load = { data, memory: await memoryOf(from.docker, from.stack) };
  const found = obstacles(oldMachine, newMachine, load, free);
  const tight = describeTightMemory(newMachine, load);
  if (found.length === 0 && tight !== undefined) say(tight);
  if (found.length === 0) return;
  throw new OpsError(
    `${host} cannot carry stack ${from.stack}: ${found.join("; ")}. Nothing was changed.`,
    "Correct that, or name another machine.",
  );
}

/** When what was written since the pass before is copied as fast as it will get. */
const PASSES = 2;
/** What stopping and starting may take beside the copy, in seconds: half of what the default of --max-downtime allows. */
const SWITCH_SECONDS = 30;

/** Pure: how long the stack will be away, in seconds. @param copying what the last pass took. @param comparing the same for a comparison */
export const expectedSeconds = (copying: number, comparing: number): number =>
  copying + comparing + SWITCH_SECONDS;

/** Copies everything, and then what has changed meanwhile: how long that takes, and a comparison, says how long the stack will be away. */
async function copyBulk(
  { host, options, from, old, fresh }: Work,
  volumes: readonly Moved[],
): Promise<Ready["since"]> {
  const timeComparison = async (): Promise<number> => {
    signals.begin({ title: `comparing with ${host}, while the stack serves` });
    const began = performance.now();
    await Promise.all(volumes.map(({ name, contents }) => tryComparison(old, fresh, name, contents)));
    return (performance.now() - began) / 1000;
  };
  let last = new Map<string, Copied>();
  let seconds = 0;
  let comparing = 0;
  for (let pass = 1; pass <= PASSES; pass++) {
    // Before the last pass: what is written while it takes its time is copied by that one, and not while nobody is served.
    if (pass === PASSES) comparing = await timeComparison();
    signals.begin({ title: `copying to ${host}, while the stack serves` });
    await writeOut(from.docker, from.stack);
    const began = performance.now();
    const copied = new Map<string, Copied>();
    await Promise.all(
      volumes.map(async ({ name }) =>
        copied.set(name, await copyVolume(old, fresh, name, last.get(name)?.began)),
      ),
    );
    seconds = (performance.now() - began) / 1000;
    const bytes = [...copied.values()].reduce((sum, one) => sum + one.bytes, 0);
    say(
      `Copied ${pass === 1 ? "all" : "what had changed"}: ${(bytes / 1e6).toFixed(1)} MB in ${seconds.toFixed(1)} s`,
    );
    last = copied;
  }
  const expected = expectedSeconds(seconds, comparing);
  say(
    `Comparing both sides takes ${comparing.toFixed(1)} s. The stack will be away for about ${expected.toFixed(0)} s`,
  );
  if (expected <= options.maxDowntime) return new Map([...last].map(([name, { began }]) => [name, began]));
  throw new OpsError(
    `The stack would be away for about ${expected.toFixed(0)} s, and at most ${options.maxDowntime} s are allowed (--max-downtime). It serves on as before.`,
    `Move when less is written, or allow more: ${npmRun("move", from.stack, host, `--max-downtime ${Math.ceil(expected / 30) * 30}`)}`,
  );
}
