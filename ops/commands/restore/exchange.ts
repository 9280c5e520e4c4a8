/** What a restore and an upgrade have in common: maintenance while data is exchanged, the scripts that do it, and where the old goes. */
import type Docker from "dockerode";
import { STACK_LABEL, WORKLOAD_LABEL } from "../../../infra/resources/labels.ts";
import { dataVolumeName } from "../../../infra/resources/volume.ts";
import { requireRoom } from "../../engine/backup-room.ts";
import { listContainers } from "../../engine/containers.ts";
import { maintenanceSwitch } from "../../engine/maintenance.ts";
import { readVolumeFile } from "../../engine/volume-file.ts";
import { listVolumes } from "../../engine/volumes.ts";
import { prepareStackImages } from "../../stack/deploy.ts";
import { exchangeUnderWay, holderLabels, scriptName } from "../../stack/exchange-holder.ts";
import { ASIDE, exchangeStage, type ExchangeStage } from "../../stack/exchange-stage.ts";
import type { Session } from "../../stack/session.ts";
import { say, signals } from "../../stack/this-process.ts";
import { undivided } from "../../terminal/signals.ts";
import { OpsError } from "../../terminal/errors.ts";
import { npmRun } from "../../terminal/npm-run.ts";
import { note } from "../../terminal/output.ts";
import { exchangeScripts, OTHER_DATA, PARTIAL, restoredFile } from "./exchange-scripts.ts";
import { commandHere, confined, endLeftover, holdExchange, type Exchanging } from "./hold.ts";
import type { Store } from "./stores.ts";

const ANOTHER_RESTORE =
  "Look whose it was (npm run history), and run the command again: it restores anew, and asks of what it has restored.";

/**
 * Runs a script in a container that sees a store's data volume as /data.
 * @param more volumes that this script sees as well. The engine makes one that is not there, empty and without labels.
 */
export type RunScript = (script: string, more?: readonly string[]) => Promise<void>;

/** @param image any with a shell, whose declared volumes are covered. */
export function scriptRunner(session: Exchanging, workload: Store["workload"], image: string): RunScript {
  const { docker, stack } = session;
  const mounts = [`${dataVolumeName(stack, workload)}:/data`];
  return async (script, more = []) => {
    await holdExchange(session, workload, image);
    await endLeftover(session, workload);
    await runScript(docker, scriptName(stack, workload), { image, script, mounts: [...mounts, ...more] });
  };
}

/** Puts restored data in place, by the one script that sees the backup volume. It is there: the room has restored into it. */
export const exchangeRestored = (
  { stack }: Pick<Session, "stack">,
  store: Store,
  run: RunScript,
  mark: string,
): Promise<void> =>
  run(exchangeScripts(store).exchange(mark), [`${dataVolumeName(stack, "backup")}:/restored:ro`]);

/** By the image of the stack's own room. @throws OpsError where there is none */
export async function roomRunner(session: Exchanging, workload: Store["workload"]): Promise<RunScript> {
  const { docker, stack } = session;
  const room = docker.getContainer(await requireRoom(docker, stack));
  return scriptRunner(session, workload, (await room.inspect()).Image);
}

type Engine = Pick<Session, "docker" | "stack">;

/** Any with a shell, for a session whose engine has nothing of the room. @returns its name */
export async function bringShell(session: Session): Promise<string> {
  await prepareStackImages(session);
  return session.settings.config.postgresImage ?? "";
}

/** The image of the stack's own room, whether that runs or not. */
async function shellImage({ docker, stack }: Engine, bring: () => Promise<string>): Promise<string> {
  const room = (await listContainers(docker, stack)).find(({ workload }) => workload === "backup");
  return room === undefined ? bring() : (await docker.getContainer(room.id).inspect()).Image;
}

/**
 * What every run begins with, before it looks at anything else: it waits for whoever exchanges the data now, ends what a former run has
 * left running, and puts the old data back where that was half way. The server is on it again then. It does without the room: only
 * a deploy brings that back, and a deploy refuses until the data is whole.
 * @param bring as bringShell. @returns what was found. @throws OpsError where another exchanges the data for longer than the time to wait
 */
export async function settleExchange(
  session: Exchanging,
  store: Store,
  bring: () => Promise<string>,
): Promise<{ readonly found: ExchangeStage; readonly run: RunScript }> {
  const image = await shellImage(session, bring);
  const run = scriptRunner(session, store.workload, image);
  await holdExchange(session, store.workload, image);
  await endLeftover(session, store.workload);
  const found = await exchangeStage(session, store.workload);
  if (found === "half") {
    signals.begin(undivided(`putting the old data of ${store.title} back`));
    say(`An exchange of the data of ${store.title} was broken off: the old data is put back first.`);
    await putBack(session, store, run);
  }
  return { found, run };
}

/** Where an exchange has failed or was broken off, and where it had not begun. The old server serves then. */
export async function putBack(session: Engine, store: Store, run: RunScript): Promise<void> {
  const { docker, stack } = session;
  await stopServer(session, store.workload);
  try {
    await run(exchangeScripts(store).settle);
  } catch (error) {
    // Such as a hold that has ended. Where the data is whole and nobody else is at it, the server may serve all the same.
    const stage = await exchangeStage(session, store.workload).catch(() => "half");
    const other = await exchangeUnderWay(docker, stack, store.workload).catch(() => true);
    if (stage !== "half" && other === undefined) await startServer(session, store.workload);
    throw error;
  }
  await startServer(session, store.workload);
}

/**
 * Before anything is stopped: whether the backup volume still has what a restore has left there. The script of the exchange looks
 * again. @param mark as markOf says it. @throws OpsError where another restore or upgrade has taken its place
 */
export async function checkRestored({ docker, stack }: Engine, store: Store, mark: string): Promise<void> {
  const volume = dataVolumeName(stack, "backup");
  const said = await readVolumeFile(docker, { stack, volume, path: restoredFile(store) });
  if (said?.includes(`"${mark}"`)) return;
  throw new OpsError(
    `What was restored of ${store.title} is not in the backup volume any more: ${OTHER_DATA}. Nothing was replaced.`,
    ANOTHER_RESTORE,
  );
}

/** Pure: whether a container runs, or would run again by itself. */
export const isUp = (state: string): boolean => !["created", "exited", "dead"].includes(state);

/** In whatever state it is, also between two of its starts. */
export async function stopServer({ docker, stack }: Engine, workload: Store["workload"]): Promise<void> {
  for (const one of await listContainers(docker, stack))
    if (one.workload === workload && isUp(one.state))
      await unlessSoAlready(docker.getContainer(one.id).stop());
}

export async function startServer({ docker, stack }: Engine, workload: Store["workload"]): Promise<void> {
  for (const one of await listContainers(docker, stack))
    if (one.workload === workload && !isUp(one.state))
      await unlessSoAlready(docker.getContainer(one.id).start());
}

/** The engine answers 304 where a container has stopped, or was started, since it was looked at. */
async function unlessSoAlready(call: Promise<unknown>): Promise<void> {
  await call.catch((error: unknown) => {
    if ((error as { statusCode?: number }).statusCode !== 304) throw error;
  });
}

/** The API says what is going on, unless the operator has said something else already. */
export async function whileUnderMaintenance(
  { docker, stack }: Pick<Session, "docker" | "stack">,
  message: string,
  work: () => Promise<void>,
): Promise<void> {
  const edge = await maintenanceSwitch(docker, stack).catch(() => undefined);
  // The same words are of a run that was killed.
  const own = edge !== undefined && [undefined, message].includes(edge.before?.detail);
  if (own) await edge.set(message);
  try {
    await work();
  } finally {
    // The edge may have been replaced meanwhile: what it is told lies in its volume.
    const now = own ? await maintenanceSwitch(docker, stack).catch(() => undefined) : undefined;
    await now
      ?.set(undefined)
      .catch(() => note(`Maintenance is still on: ${npmRun("maintenance", stack, "off")}`));
  }
}

/** A container that only sees these volumes. It has no label of the stack: it would count as one of its workloads. */
async function runScript(
  docker: Docker,
  name: string,
  { image, script, mounts }: { image: string; script: string; mounts: readonly string[] },
): Promise<void> {
  const { User, HostConfig } = await confined(docker, image);
  const container = await docker.createContainer({
    name,
    Image: image,
    User,
    Labels: holderLabels(commandHere()),
    Entrypoint: ["sh", "-c", script],
    Cmd: [],
    HostConfig: { ...HostConfig, Binds: [...mounts] },
  });
  try {
    await container.start();
    const { StatusCode } = (await container.wait()) as { StatusCode: number };
    if (StatusCode === 0) return;
    const log = await container.logs({ stdout: true, stderr: true, follow: false });
    const said = log
      .toString("utf8")
      .replaceAll(/[^\x20-\x7e\n]/g, "")
      .trim();
    throw new OpsError(
      `The data could not be exchanged: ${said}`,
      said.includes(OTHER_DATA)
        ? ANOTHER_RESTORE
        : "Look whether the disk of the engine is full (docker system df), and run this again.",
    );
  } finally {
    await container.remove({ force: true });
  }
}

/**
 * Copies what was replaced to a volume of its own.
 * @param again the command that keeps it, where that fails.
 * @returns its name. @throws OpsError; it is then still in the data volume
 */
export async function keepAside(
  { docker, stack }: Engine,
  store: Store,
  run: RunScript,
  again: string,
): Promise<string> {
  const { workload, title } = store;
  const time = new Date().toISOString().replace(/[-:]|\..*/g, "");
  const prefix = `omniai-${stack}-${workload}-replaced-`;
  const aside = `${prefix}${time}`;
  signals.begin(undivided("keeping what was replaced"));
  // A run that was killed could not do it itself.
  for (const { name } of await listVolumes(docker, stack))
    if (
      name.startsWith(prefix) &&
      (await readVolumeFile(docker, { stack, volume: name, path: PARTIAL })) !== undefined
    )
      await docker.getVolume(name).remove();
  say(`Keeping what was replaced in volume ${aside}`);
  await docker.createVolume({
    Name: aside,
    Labels: { [STACK_LABEL]: stack, [WORKLOAD_LABEL]: workload },
  });
  try {
    await run(exchangeScripts(store).keep, [`${aside}:/aside`]);
  } catch (error) {
    // Whether the folder is gone says whether the copy is whole: where nobody can look, both stay.
    const stage = await exchangeStage({ docker, stack }, workload).catch(() => undefined);
    if (stage === "complete")
      await docker
        .getVolume(aside)
        .remove()
        .catch(() => undefined);
    throw new OpsError(
      `The new data of ${title} is in place, but what it replaced could not be copied to a volume of its own: ${error instanceof Error ? error.message : String(error)}`,
      `It is still in volume ${dataVolumeName(stack, workload)}, in its folder ${ASIDE}. Make room on the engine's disk; then this keeps it first: ${again}`,
    );
  }
  return aside;
}
