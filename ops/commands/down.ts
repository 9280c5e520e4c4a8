/** `npm run down`: takes the stack down and keeps its data, or with --delete-data deletes that too. */
import { unlessGone } from "../engine/connection.ts";
import { readChangesVolumes } from "../engine/changes.ts";
import { dataVolumeName, identityName } from "../../infra/resources/volume.ts";
import { removeSwitch } from "../engine/swarm-maintenance.ts";
import { readVolumeFile } from "../engine/volume-file.ts";
import { listVolumes } from "../engine/volumes.ts";
import { publishWhenEnded } from "../stack/changes.ts";
import { checkSameEngine } from "../stack/identity.ts";
import { exportState, importState } from "../stack/open-stack.ts";
import type { CommonOptions } from "../stack/place.ts";
import { recover } from "../stack/recover.ts";
import { runPulumi } from "../stack/run.ts";
import { openSession, type Session } from "../stack/session.ts";
import { nameOf, type State } from "../stack/state.ts";
import { publishAuditWith, say, signals } from "../stack/this-process.ts";
import { stopOwnEngine, toolchainContext } from "../stack/toolchain.ts";
import { exit, InterruptedError, OpsError } from "../terminal/errors.ts";
import { npmRun } from "../terminal/npm-run.ts";
import { print } from "../terminal/output.ts";
import { confirm, confirmByTyping } from "../terminal/prompt.ts";

export interface DownOptions extends CommonOptions {
  readonly deleteData?: boolean;
  /** Whether the local backups go with the data. */
  readonly deleteBackups?: boolean;
  readonly yes?: boolean;
  readonly engine?: boolean;
  /** Whether the stack may be on another engine than before. */
  readonly move?: boolean;
}

export async function down(options: DownOptions): Promise<void> {
  const session = await openSession(options, { create: false, lock: "down" });
  if (options.deleteBackups && !options.deleteData)
    throw new OpsError(
      "--delete-backups goes together with --delete-data.",
      "Nothing was changed.",
      exit.usage,
    );
  const { docker, dockerHost, stack, handle } = session;
  const checkEngine = (state: State): Promise<void> =>
    checkSameEngine({ docker, dockerHost, stack, state }, options.move === true);
  signals.begin({ title: `looking at stack ${stack} on the engine` });
  // Nobody is asked about what another engine has, nor confirms what is refused then.
  await checkEngine(await exportState(handle));
  const keepBackups = await ask(session, options);
  signals.begin({ title: `looking at stack ${stack} on the engine` });
  await recover(session, async (state) => {
    // Another run may have moved the stack while this one asked.
    await checkEngine(state);
    publishWhenEnded(session);
  });
  if (options.deleteData && keepBackups) await deleteData(session);
  else if (options.deleteData) await deleteAll(session);
  else await keepData(session);
  // A maintenance of a swarm is a service that nobody has declared, and would begin again with the next edge.
  if (session.settings.config.platform === "swarm") await removeSwitch(docker, stack);
  if (options.engine) await stopEngine();
}

/** The room writes it when it begins; a volume that never had one holds no backups. */
const BACKUPS_BEGUN = "status.json";

/** @returns whether there are local backups that have to stay */
async function ask({ stack, docker }: Session, options: DownOptions): Promise<boolean> {
  const { yes, deleteData, deleteBackups = false } = options;
  const volume = dataVolumeName(stack, "backup");
  const there =
    deleteData === true &&
    (await readVolumeFile(docker, { stack, volume, path: BACKUPS_BEGUN })) !== undefined;
  if (yes) return there && !deleteBackups;
  signals.begin({ title: "asking" });
  if (deleteData) {
    const names = (await listVolumes(docker, stack))
      .filter(({ data, name }) => data && !(there && name === volume))
      .map(({ name }) => name);
    const question = `This deletes stack ${stack} with all its data (${names.join(", ") || "no data volume is left"}). It cannot be undone.`;
    if (await confirmByTyping(question, stack))
      return there && !(deleteBackups || (await askForBackups(stack)));
  } else if (stack === "dev" || (await confirm(`Take down stack ${stack}? Its data stays.`))) {
    return false;
  }
  throw new InterruptedError(`Stack ${stack} was not taken down.`, "Nothing was changed.");
}

async function askForBackups(stack: string): Promise<boolean> {
  const question = `The local backups of stack ${stack} stay, unless they are deleted as well. Copies off-site are not touched.`;
  return confirmByTyping(question, "backups");
}

/** Takes down everything but the protected resources: the data volumes and the passwords of the data in them. */
async function keepData({ stack, docker, handle }: Session): Promise<void> {
  await runPulumi({
    title: `taking down stack ${stack}`,
    options: { configFile: handle.options.configFile },
    show: true,
    run: (run) => handle.program.destroy({ ...run, showSecrets: false, excludeProtected: true }),
  });
  signals.begin({ title: "looking at what is left" });
  const volumes = (await listVolumes(docker, stack)).filter(({ data }) => data);
  print();
  print(`Stack ${stack} is down. Its data stays on the engine, and the next \`up\` uses it again:`);
  for (const { name, mountpoint } of volumes) print(`  ${name}  (${mountpoint})`);
  if (volumes.length === 0) print("  (there was no data volume)");
  print(`To delete the data as well: ${npmRun("down", stack, "--delete-data")}`);
}

/** Pure: the state without any protection, but that of the resources with these names. */
export const unprotected = (state: State, kept: ReadonlySet<string> = new Set()): State => ({
  ...state,
  resources: state.resources?.map(({ protect, ...resource }) =>
    protect === true && kept.has(nameOf(resource.urn)) ? { protect, ...resource } : resource,
  ),
});

/** All data but the local backups, which the state goes on to know: the next `up` uses them again. */
async function deleteData(session: Session): Promise<void> {
  const { stack, docker, handle } = session;
  const volume = dataVolumeName(stack, "backup");
  const kept = new Set([volume, identityName(stack, "backup")]);
  await importState(handle, (state) => unprotected(state, kept));
  await runPulumi({
    title: `deleting stack ${stack} with its data`,
    options: { configFile: handle.options.configFile },
    show: true,
    run: (run) => handle.program.destroy({ ...run, showSecrets: false, excludeProtected: true }),
  });
  signals.begin({ title: "removing the volumes" });
  for (const { name } of (await listVolumes(docker, stack)).filter((one) => one.name !== volume)) {
    await unlessGone(docker.getVolume(name).remove());
    say(`Volume ${name} is removed.`);
  }
  print(
    `Stack ${stack} is down, and its data is gone. Its backups stay in volume ${volume}, and the next \`up\` uses them again.`,
  );
  print(`To delete them as well: ${npmRun("down", stack, "--delete-data", "--delete-backups")}`);
}

async function deleteAll(session: Session): Promise<void> {
  const { stack, docker, handle } = session;
  await importState(handle, unprotected);
  await runPulumi({
    title: `deleting stack ${stack} with its data`,
    options: { configFile: handle.options.configFile },
    show: true,
    run: (run) => handle.program.destroy({ ...run, showSecrets: false }),
  });
  signals.begin({ title: "removing the volumes" });
  // The volumes are declared with retainOnDelete: Pulumi forgets them and leaves them on the engine.
  for (const { name, data } of await listVolumes(docker, stack)) {
    await unlessGone(docker.getVolume(name).remove());
    say(`${data ? "Data volume" : "Volume"} ${name} is removed.`);
  }
  for (const { volume } of await readChangesVolumes(docker, stack))
    await unlessGone(docker.getVolume(volume).remove());
  // There is no stack any more whose changes the engine could keep.
  publishAuditWith(undefined);
  await handle.state.workspace.removeStack(
    handle.name,
    handle.state === handle.program ? { preserveConfig: true } : {},
  );
  print(`Stack ${stack} and its data are gone.`);
}

async function stopEngine(): Promise<void> {
  signals.begin({ title: "stopping the engine" });
  print(await stopOwnEngine(toolchainContext({ install: false })));
}
