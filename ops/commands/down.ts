/** `npm run down`: takes the stack down and keeps its data, or with --delete-data deletes that too. */
import { unlessGone } from "../engine/connection.ts";
import { listVolumes } from "../engine/volumes.ts";
import { importState } from "../stack/open-stack.ts";
import type { CommonOptions } from "../stack/place.ts";
import { recover } from "../stack/recover.ts";
import { runPulumi } from "../stack/run.ts";
import { openSession, type Session } from "../stack/session.ts";
import type { State } from "../stack/state.ts";
import { say, signals } from "../stack/this-process.ts";
import { stopOwnEngine, toolchainContext } from "../stack/toolchain.ts";
import { InterruptedError } from "../terminal/errors.ts";
import { npmRun } from "../terminal/npm-run.ts";
import { print } from "../terminal/output.ts";
import { confirm, confirmByTyping } from "../terminal/prompt.ts";

export interface DownOptions extends CommonOptions {
  readonly deleteData?: boolean;
  readonly yes?: boolean;
  readonly engine?: boolean;
}

export async function down(options: DownOptions): Promise<void> {
  const session = await openSession(options, { create: false, lock: "down" });
  await ask(session, options);
  signals.begin({ title: `looking at stack ${session.stack} on the engine` });
  await recover(session);
  if (options.deleteData) await deleteAll(session);
  else await keepData(session);
  if (options.engine) await stopEngine();
}

async function ask({ stack, docker }: Session, { yes, deleteData }: DownOptions): Promise<void> {
  if (yes) return;
  signals.begin({ title: "asking" });
  if (deleteData) {
    const names = (await listVolumes(docker, stack)).filter(({ data }) => data).map(({ name }) => name);
    const question = `This deletes stack ${stack} with all its data (${names.join(", ") || "no data volume is left"}). It cannot be undone.`;
    if (await confirmByTyping(question, stack)) return;
  } else if (stack === "dev" || (await confirm(`Take down stack ${stack}? Its data stays.`))) {
    return;
  }
  throw new InterruptedError(`Stack ${stack} was not taken down.`, "Nothing was changed.");
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

/** Pure: the state without any protection. */
export const unprotected = (state: State): State => ({
  ...state,
  resources: state.resources?.map(({ protect: _, ...resource }) => resource),
});

async function deleteAll({ stack, docker, handle }: Session): Promise<void> {
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
  await handle.state.workspace.removeStack(
    handle.name,
    handle.state === handle.program ? { preserveConfig: true } : {},
  );
  print(`Stack ${stack} and its data are gone.`);
}

async function stopEngine(): Promise<void> {
  signals.begin({ title: "stopping the engine" });
  print(await stopOwnEngine(toolchainContext(false)));
}
