/**
 * `npm run upgrade -- postgres 18`: brings the stack's data to a newer major version of PostgreSQL by dump and restore. First
 * beside, while the service goes on; then with writes refused, compared, and put in place. The old data is kept.
 */
import type { BaseImages } from "../../../infra/components/backup/image.ts";
import { throughMirror } from "../../../infra/config/mirror.ts";
import { environmentOf, isMandatory } from "../../../infra/config/policy-settings.ts";
import type { BackupView } from "../../engine/backup-room.ts";
import { prepare } from "../../stack/deploy.ts";
import { refuseExternal } from "../../stack/external.ts";
import { checkOwnEngine } from "../../stack/identity.ts";
import { exportState } from "../../stack/open-stack.ts";
import { findPlace, type CommonOptions } from "../../stack/place.ts";
import { runPreview } from "../../stack/run.ts";
import { deployablePlace, openSession, type Session } from "../../stack/session.ts";
import { say, signals } from "../../stack/this-process.ts";
import { prepareImages } from "../../stack/toolchain.ts";
import { listContainers } from "../../engine/containers.ts";
import { exit, InterruptedError, OpsError } from "../../terminal/errors.ts";
import { npmRun } from "../../terminal/npm-run.ts";
import { duration, note, paint, print, printJson } from "../../terminal/output.ts";
import { confirmByTyping, requireTerminal } from "../../terminal/prompt.ts";
import { goOn, refuseBrokenOff } from "./broken-off.ts";
import { deployBy, putInPlace, type Upgraded } from "./in-place.ts";
import { imageMajor } from "./image-major.ts";
import { openNewRoom, type NewRoom } from "./room.ts";
import { Server } from "./server.ts";
import { fileNow, restoreFile, setImage } from "./stack-image.ts";
import { imageFor, spaceProblem } from "./target.ts";

export interface UpgradeOptions extends CommonOptions {
  /** The image of the new version; default: today's with another number. */
  readonly image?: string;
  /** Only beside: nothing of the stack is changed. */
  readonly rehearse?: boolean;
  readonly yes?: boolean;
}

/** @param version the major version to go to. */
export async function upgrade(_store: string, version: number, options: UpgradeOptions): Promise<void> {
  if (!options.yes && !options.rehearse) {
    // First, because --yes would not help a wrong config.
    deployablePlace(options);
    requireTerminal();
  }
  refuseExternal(options.stack, findPlace(options).settings.config, { what: "an upgrade" });
  const session = await openSession(options, { create: false, lock: "upgrade" });
  const { stack, settings, audit, handle } = session;
  // An exchange that is half way on another engine is another stack's.
  await checkOwnEngine({ ...session, state: await exportState(handle) });
  const silent = options.json === true;
  const { registryMirror = "", postgresImage = "" } = settings.config;
  const image = throughMirror(registryMirror, imageFor(version, postgresImage, options.image));
  audit?.note({ to: image });
  const again = npmRun(
    "upgrade",
    stack,
    "postgres",
    String(version),
    ...(options.image ? ["--image", options.image] : []),
  );
  const confirm = async (what: string): Promise<void> => {
    if (!options.yes) await ask(stack, what);
  };
  const wish = { image, version, again, silent, confirm };
  if (options.rehearse) await refuseBrokenOff(session, wish);
  else {
    const finished = await goOn(session, wish);
    if (finished !== undefined) return report(options, finished, undefined);
  }
  await prepare(session);
  const server = await runningServer(session);
  const from = await server.major();
  refuseVersion(stack, from, version);
  await letWrite(server, options.rehearse === true);
  const room = await makeReady(session, { server, image, version });
  signals.begin({ title: `trying the upgrade of stack ${stack} beside it` });
  say(
    `Trying it beside stack ${stack}, which goes on: a dump, restored into PostgreSQL ${version} and compared.`,
  );
  const started = performance.now();
  const rehearsed = await room.rehearse();
  const seconds = (performance.now() - started) / 1000;
  const what = `Backup ${rehearsed.id} restores into PostgreSQL ${version}: ${rehearsed.rows ?? 0} rows are the same (${duration(seconds)}).`;
  if (options.rehearse)
    return options.json
      ? printJson({ stack, from, to: version, rehearsed, seconds })
      : print(`${paint("green", "✓")} ${what} Nothing of the stack was changed.`);
  say(what);
  const settingsLost = await server.ownSettings();
  for (const line of settingsLost) say(`A setting of ALTER SYSTEM does not come along: ${line}`);
  await confirm(
    `This brings stack ${stack} from PostgreSQL ${from} to ${version}. The API answers 503 meanwhile, for about as long as the trial took ` +
      `(${duration(seconds)}) and a restart. What is there now is kept in a volume of its own.`,
  );
  const upgraded = await putInPlace(session, {
    ...{ server, room, image, from, version, again },
    deploy: deployBy(session, image, silent),
  });
  report(options, upgraded, rehearsed);
}

async function runningServer({ docker, stack }: Session): Promise<Server> {
  const found = (await listContainers(docker, stack)).find(({ workload }) => workload === "postgres");
  if (found?.state === "running") return new Server(docker, found.id);
  throw new OpsError(
    `PostgreSQL of stack ${stack} does not run, so there is nothing to copy from.`,
    `Start it: ${npmRun("up", stack)}`,
  );
}

/** A run that was killed may have left it refusing writes, and this one may end before it comes to that. */
async function letWrite(server: Server, rehearse: boolean): Promise<void> {
  if (!(await server.isFrozen())) return;
  if (rehearse)
    return say(
      "PostgreSQL refuses writes (ALTER SYSTEM SET default_transaction_read_only); a trial leaves that.",
    );
  say("PostgreSQL refused writes (ALTER SYSTEM SET default_transaction_read_only); it takes them again.");
  await server.thaw("now");
}

function refuseVersion(stack: string, from: number, version: number): void {
  if (version > from) return;
  throw new OpsError(
    version === from
      ? `Stack ${stack} has PostgreSQL ${from} already.`
      : `Stack ${stack} has PostgreSQL ${from}; a dump of it does not go back to ${version}.`,
    "Name a newer major version.",
    exit.usage,
  );
}

interface Wanted {
  readonly server: Server;
  readonly image: string;
  readonly version: number;
}

/** The new image, a room that is built on it, and space. @throws OpsError; nothing of the stack was touched then */
async function makeReady(session: Session, { server, image, version }: Wanted): Promise<NewRoom> {
  const { context, docker, dockerHost, stack, settings } = session;
  signals.begin({ title: `making PostgreSQL ${version} ready` });
  const standIns = environmentOf(stack, settings.config.environment ?? "") === "dev";
  await prepareImages(context, [image], dockerHost, standIns);
  const found = await imageMajor(docker, image);
  if (found !== version)
    throw new OpsError(
      `${image} has PostgreSQL ${found}, and ${version} was asked for. Nothing was changed.`,
      "Name an image of that version: --image NAME.",
      exit.usage,
    );
  const { postgresImage = "", redisImage = "" } = settings.config;
  const present: BaseImages = { postgres: postgresImage, redis: redisImage };
  await tryConfig(session, image);
  const room = await openNewRoom(docker, stack, present, { ...present, postgres: image });
  const { size, disk } = await server.space();
  const problem = spaceProblem(size, disk, room.disk);
  if (problem === undefined) return room;
  throw new OpsError(`${problem} Nothing was changed.`, "Make room there, and run this again.");
}

/** A file that cannot be written, or a violation, would cost the way back after the exchange. @throws OpsError */
async function tryConfig(session: Session, image: string): Promise<void> {
  const { stack, settings } = session;
  const before = fileNow(session);
  try {
    const changed = setImage(session, image);
    if (!isMandatory(environmentOf(stack, settings.config.environment ?? ""))) return;
    await runPreview(changed.handle, {
      title: `checking stack ${stack} against its policies`,
      refresh: false,
    });
  } finally {
    restoreFile(session, before);
  }
}

async function ask(stack: string, question: string): Promise<void> {
  if (await confirmByTyping(question, stack)) return;
  throw new InterruptedError(`Stack ${stack} was not upgraded.`, "Nothing of it was changed.");
}

function report(options: UpgradeOptions, upgraded: Upgraded, rehearsed: BackupView | undefined): void {
  const { stack } = options;
  if (options.json) return printJson({ stack, ...upgraded, rehearsed: rehearsed?.id });
  const { to, aside, downtime, rows, tables } = upgraded;
  print(`${paint("green", "✓")} Stack ${paint("bold", stack)} has PostgreSQL ${to}.`);
  if (rows !== undefined)
    print(
      `  ${tables} tables with ${rows} rows were compared before it served, and nothing was written in between.`,
    );
  if (downtime !== undefined) print(`  The API answered 503 for ${duration(downtime)}.`);
  if (aside !== undefined)
    print(
      `  What it had before is in volume ${paint("bold", aside)}. When nobody needs it: docker volume rm ${aside}`,
    );
  note(
    `Pulumi.${stack}.yaml names the new image: commit it. The backup room takes a full base backup by itself.`,
  );
}
