/**
 * Puts restored data in place of a store's own. The old data is moved aside within its volume, which takes a
 * moment and can be undone in one; only when the new data serves is it copied to a volume of its own.
 */
import { listContainers, type ContainerView } from "../../engine/containers.ts";
import { execIn } from "../../engine/exec.ts";
import { settledContainers } from "../../engine/health-report.ts";
import { listVolumes } from "../../engine/volumes.ts";
import { stackChanges } from "../../stack/changes.ts";
import { deploy, prepare, summarise } from "../../stack/deploy.ts";
import { checkOwnEngine } from "../../stack/identity.ts";
import { exportState } from "../../stack/open-stack.ts";
import type { CommonOptions } from "../../stack/place.ts";
import { quietly } from "../../stack/quiet.ts";
import { openSession, type Session } from "../../stack/session.ts";
import { signals } from "../../stack/this-process.ts";
import { currentOptions, knownConfig } from "../../stack/use-version.ts";
import { rolledBackTo } from "../../stack/versions.ts";
import { OpsError } from "../../terminal/errors.ts";
import { npmRun } from "../../terminal/npm-run.ts";
import { undivided } from "../../terminal/signals.ts";
import {
  bringShell,
  checkRestored,
  exchangeRestored,
  keepAside,
  putBack,
  settleExchange,
  startServer,
  stopServer,
  whileUnderMaintenance,
  type RunScript,
} from "./exchange.ts";
import type { Exchanging } from "./hold.ts";
import { exchangeScripts, markOf, type KeptRestore } from "./exchange-scripts.ts";
import type { Store } from "./stores.ts";

/**
 * @param kept what the room has restored, and the operator has confirmed: nothing else is put in place.
 * @returns the volume with the data that was replaced. @throws OpsError; the old data is then in place again
 */
export async function replaceData(options: CommonOptions, kept: KeptRestore, store: Store): Promise<string> {
  const { id } = kept.backup;
  const session = await openSession(options, { create: false, lock: "restore" });
  const { docker, stack, audit } = session;
  audit?.note({ to: id });
  // An exchange that is half way on another engine is another stack's.
  await checkOwnEngine({ ...session, state: await exportState(session.handle) });
  // Before anything else is looked at: with the old data half aside, the stack seems to have lost it.
  const { found, run } = await settleExchange(session, store, () => bringShell(session));
  const version = rolledBackTo(await stackChanges(docker, session));
  const state = await prepare(session, undefined, knownConfig(session, version?.config));
  const again = npmRun(
    "restore",
    stack,
    ...(store.workload === "redis" ? ["--redis"] : []),
    "--id",
    id,
    "--replace",
  );
  // An earlier run has put its data in place, and could not keep what was there before.
  if (found === "complete") await keepAside(session, store, run, again);
  const data = `omniai-${stack}-${store.workload}-data`;
  const names = new Set((await listVolumes(docker, stack)).map(({ name }) => name));
  const server = (await listContainers(docker, stack)).find(({ workload }) => workload === store.workload);
  if (server === undefined || !names.has(data)) {
    throw new OpsError(
      `Stack ${stack} has no ${store.title} whose data could be replaced.`,
      `Deploy it first: ${npmRun("up", stack)}; then restore again.`,
    );
  }
  return putRestored(session, server, {
    ...{ store, run, again, mark: markOf(kept) },
    update: () => applyStack(session, store.commands(state), options.json === true),
  });
}

export interface Replacement {
  readonly store: Store;
  /** As settleExchange gives it. */
  readonly run: RunScript;
  /** Of the restore, as markOf says it. */
  readonly mark: string;
  /** Brings the restored data, which is served by now, to what the stack needs. */
  readonly update: () => Promise<void>;
  /** The whole command, for what has to be done again. */
  readonly again: string;
}

/** @returns the volume with the data that was replaced. @throws OpsError; where the server has not served, the old data is in place again */
export async function putRestored(
  session: Exchanging,
  server: ContainerView,
  { store, run, mark, update, again }: Replacement,
): Promise<string> {
  const { docker, stack } = session;
  const { title, workload } = store;
  const scripts = exchangeScripts(store);
  await checkRestored(session, store, mark);
  const replace = async (): Promise<void> => {
    signals.begin(undivided(`replacing the data of ${title} in stack ${stack}`));
    try {
      await stopServer(session, workload);
      await exchangeRestored(session, store, run, mark);
    } catch (error) {
      await putBack(session, store, run);
      throw error;
    }
    await startOrUndo(session, server, store, () => run(scripts.undo));
    await update();
    // It answers before its next health check has said so, and whoever looks next shall not find it "starting".
    await settledContainers(docker, stack, START_SECONDS);
  };
  await quietly(
    session,
    `replacing the data of ${title} in stack ${stack}`,
    () => whileUnderMaintenance(session, "The service's data is being restored from a backup.", replace),
    workload,
  );
  return keepAside(session, store, run, again);
}

/** How long the server may take to come up, in seconds. */
const START_SECONDS = 120;

async function startOrUndo(
  session: Exchanging,
  { id }: ContainerView,
  { workload, title, ready: probe }: Store,
  undo: () => Promise<void>,
): Promise<void> {
  const { docker } = session;
  const server = docker.getContainer(id);
  const wait = [
    "sh",
    "-c",
    `for i in $(seq ${START_SECONDS}); do "$@" && exit 0; sleep 1; done; exit 1`,
    "sh",
    ...probe,
  ];
  const ready = await server
    .start()
    .then(() => execIn(docker, id, wait))
    .catch(() => ({ exitCode: 1 }));
  if (ready.exitCode === 0) return;
  const log = (await server.logs({ stdout: true, stderr: true, tail: 5, follow: false })).toString("utf8");
  await stopServer(session, workload);
  await undo();
  await startServer(session, workload);
  throw new OpsError(
    `${title} did not start with the restored data, so the old data is in place again:\n${log}`,
    "Take another backup (npm run backup -- list), or look at the lines above.",
  );
}

/** The passwords and the schema in the backup may be older than those of the stack. */
async function applyStack(session: Session, replace: readonly string[], silent: boolean): Promise<void> {
  if (replace.length === 0) return;
  const outputs = await deploy(session, {
    title: `bringing the restored data of stack ${session.stack} up to date`,
    options: currentOptions(session, await stackChanges(session.docker, session)),
    refresh: false,
    replace: [...replace],
    silent,
  });
  await summarise(session, outputs, silent);
}
