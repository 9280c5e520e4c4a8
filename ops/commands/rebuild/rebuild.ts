/**
 * `npm run rebuild`: the host is gone, and its disk. A fresh clone, the operator's key and the bucket make the stack anew:
 * its config, secrets and state, so that its tunnel and its names stay the same, and its data.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { environmentOf } from "../../../infra/config/policy-settings.ts";
import type { BaseImages } from "../../../infra/components/backup/image.ts";
import { emptyWorkloads, knownVolumes } from "../../stack/identity.ts";
import { stackFilePath } from "../../stack/config-files.ts";
import { hasOwnSecrets } from "../../stack/local-project.ts";
import { planBackend, type Backend } from "../../stack/backend.ts";
import { findPlace, ROOT } from "../../stack/place.ts";
import type { KnownVolume } from "../../stack/looked.ts";
import { savedStacks } from "../../stack/known-stacks.ts";
import type { SealedStack } from "../../stack/seal.ts";
import { openEngine, readSavedStack } from "../../stack/look.ts";
import { openStackAlone } from "../../stack/session.ts";
import { externalServers } from "../../stack/external.ts";
import { checkStackName, readSettings, type KnownConfig } from "../../stack/settings.ts";
import { resourcesOf, type State } from "../../stack/state.ts";
import { say, signals } from "../../stack/this-process.ts";
import { dockerHostOf, prepareImages, prepareTools, toolchainContext } from "../../stack/toolchain.ts";
import { connect } from "../../engine/connection.ts";
import { exit, InterruptedError, OpsError } from "../../terminal/errors.ts";
import { npmRun } from "../../terminal/npm-run.ts";
import { ago, note, paint, print, printJson } from "../../terminal/output.ts";
import { confirm, requireTerminal } from "../../terminal/prompt.ts";
import { findBucket, type BucketOptions } from "./bucket.ts";
import { putCertificates, readCertificates } from "./certificates.ts";
import {
  baseImages,
  fetchInto,
  mustOperate,
  openSource,
  readSealed,
  restoreAll,
  restoreRedis,
  type Source,
  waits,
} from "./copies.ts";
import {
  forgetProgress,
  isDone,
  readProgress,
  unreadableCopy,
  writeProgress,
  type Brought,
  type RebuildProgress,
} from "./progress.ts";

export interface RebuildOptions extends BucketOptions {
  readonly yes?: boolean;
}

export async function rebuild(options: RebuildOptions): Promise<void> {
  const { stack } = options;
  checkStackName(stack);
  const backend = planBackend(ROOT, process.env);
  const before = readProgress(backend, stack);
  if (before === undefined) refuseKnown(backend, stack);
  const bucket = await findBucket(options);
  if (!options.yes) requireTerminal();
  // On this machine's engine: where the stack goes is only known once its config is here.
  const source = await sourceHere(bucket, options);
  const { sealed, copy } = await readSealed(source, before?.copy.id).catch((error: unknown) => {
    throw before === undefined || signals.requested ? error : unreadableCopy(backend, stack, before, error);
  });
  checkSealed(sealed, stack);
  note(
    before === undefined
      ? `The newest copy (${copy.id}) is from ${ago(new Date(copy.at))}; the stack's state in it from ${sealed.at}.`
      : `A rebuild of stack ${stack} from copy ${copy.id} (${copy.at}) was broken off; it goes on.`,
  );
  if (!options.yes && !(await confirm(`Rebuild stack ${stack} from it?`)))
    throw new InterruptedError(`Stack ${stack} was not rebuilt.`, "Nothing was changed.");
  const progress = before ?? writeProgress(backend, stack, { copy, step: "begun" });
  const brought = await goOn(options, { backend, source, sealed, progress });
  if (options.json) return printJson({ stack, copy, ...brought });
  const what =
    "external" in brought
      ? "PostgreSQL is external (omniai:database), and nothing of it was changed."
      : `${brought.tables} tables with ${brought.rows} rows, up to ${brought.until}.`;
  print(`${paint("green", "✓")} Stack ${paint("bold", stack)} is rebuilt: ${what}`);
  print(`How it is: ${npmRun("status", stack)}. Streams begin anew, once.`);
}

interface Work {
  readonly backend: Backend;
  readonly source: Source;
  readonly sealed: SealedStack;
  readonly progress: RebuildProgress;
}

/** From wherever it has come to. Each step can be done again, should it have been broken off. */
async function goOn(options: RebuildOptions, { backend, source, sealed, progress }: Work): Promise<Brought> {
  const { stack } = options;
  const { copy } = progress;
  try {
    if (!isDone(progress, "imported")) {
      writeFiles(backend, sealed);
      await importSealed(options, sealed);
      writeProgress(backend, stack, { copy, step: "imported" });
    }
    if (!isDone(progress, "deployed")) {
      const { known, lost, reached } = await lookAgain(() => lookAtData(options), preparing(stack));
      if (!isDone(progress, "deploying")) {
        const live = stillThere(known, lost, copy.at);
        if (live.length > 0) {
          forgetProgress(backend, stack);
          throw refuseLive(stack, live);
        }
        // Where nobody could look, what is found next time may still be somebody's.
        if (reached) writeProgress(backend, stack, { copy, step: "deploying" });
      }
      await bringCertificates(options, source, copy.id);
      const anew = lost.length === 0 ? [] : ["--accept-empty", lost.join(",")];
      await mustOperate(process.env, "up", "--stack", stack, "--yes", "--move", ...anew);
      writeProgress(backend, stack, { copy, step: "deployed" });
    }
    const { brought = await bringBack(options, source.bucket, copy.id) } = progress;
    writeProgress(backend, stack, { copy, step: "restored", brought });
    if (!("external" in brought)) await mustOperate(process.env, "maintenance", "off", "--stack", stack);
    forgetProgress(backend, stack);
    return brought;
  } catch (error) {
    if (error instanceof OpsError)
      note(`When the reason is gone, run the same command again: it goes on where it stopped.`);
    throw error;
  }
}

/** Prepares the machine; undefined for a stack that prepares none. */
const preparing = (stack: string): (() => Promise<unknown>) | undefined =>
  readSettings(ROOT, stack).config.hostPrepare === true
    ? () => mustOperate(process.env, "host", "--stack", stack, "--yes")
    : undefined;

/** Before the deploy: the room for certificates asks the authority as soon as it runs, unless it finds them. */
async function bringCertificates(options: RebuildOptions, source: Source, copy: string): Promise<void> {
  const { stack } = options;
  const { tls, nginxImage = "", environment = "" } = readSettings(ROOT, stack).config;
  if (tls !== "acme") return;
  const content = await readCertificates(source, copy);
  if (content === undefined)
    return note("The copy has no certificates of the authority: it is asked for new ones.");
  const { docker, dockerHost } = await openEngine(findPlace(options), options);
  const context = toolchainContext({ install: options.install !== false });
  const standIns = environmentOf(stack, environment) === "dev";
  await putCertificates(docker, stack, content, async () => {
    await prepareImages(context, [nginxImage], dockerHost, standIns);
  });
}

/** The data of a stack that is deployed anew. */
async function bringBack(options: RebuildOptions, bucket: Source["bucket"], copy: string): Promise<Brought> {
  const { stack } = options;
  // PostgreSQL that others run has the data that it had, and the service works with it. All of that the new room may dump first, and
  // prove, before it can be given the copies: nobody shall wait for that but this command.
  const isExternal = readSettings(ROOT, stack).config.database === "external";
  // Otherwise it is reached from now on, and what is written before its data is back would be lost.
  if (!isExternal)
    await mustOperate(
      process.env,
      ...["maintenance", "on", "--message", "The service's data is being restored.", "--stack", stack],
    );
  const { docker } = await openEngine(findPlace(options), options);
  const there = await openSource(docker, bucket, imagesOf(stack));
  const fetched = await fetchInto(there, stack, copy, isExternal ? waits.beside : waits.held);
  if (isExternal) {
    await restoreRedis(process.env, stack, fetched, waits.beside);
    return { external: true };
  }
  const { tables, rows, until } = await restoreAll(process.env, stack, fetched);
  return { tables, rows, until };
}

interface Data {
  /** All that the state knows. */
  readonly known: readonly Pick<KnownVolume, "workload" | "since">[];
  /** The workloads whose data is not where the stack goes. */
  readonly lost: readonly string[];
  /** Whether an engine answered there. */
  readonly reached: boolean;
}

/**
 * A machine that does not answer and that the stack prepares is prepared first, and looked at again: there may be data on it,
 * which nobody could see.
 * @param prepare undefined for a machine that others prepare
 */
export async function lookAgain(
  look: () => Promise<Data>,
  prepare: (() => Promise<unknown>) | undefined,
): Promise<Data> {
  const data = await look();
  if (data.reached || prepare === undefined) return data;
  await prepare();
  return look();
}

async function lookAtData(options: RebuildOptions): Promise<Data> {
  const { stack } = options;
  const place = findPlace(options);
  const { state } = await readSavedStack(place);
  const known = knownVolumes(state, stack);
  // A machine that is not prepared yet does not answer, and has no data of the stack either.
  const engine = await openEngine(place, options).catch(() => undefined);
  if (engine === undefined) return { known, lost: known.map(({ workload }) => workload), reached: false };
  return { known, lost: await emptyWorkloads({ ...engine, stack, state }), reached: true };
}

/**
 * Pure: the stores that a rebuild would put an older copy in place of.
 * @param copyAt when the copy was made, ISO 8601: data that was begun after it is what a rebuild, or somebody, has begun empty.
 */
export const stillThere = (known: Data["known"], lost: Data["lost"], copyAt: string): string[] =>
  known
    .filter(({ workload }) => ["postgres", "redis"].includes(workload) && !lost.includes(workload))
    .filter(({ since }) => since === undefined || Date.parse(since) <= Date.parse(copyAt))
    .map(({ workload }) => workload);

/** Pure. A backend elsewhere outlives the host, and so it may be that the stack does as well. */
export const refuseLive = (stack: string, live: readonly string[]): OpsError =>
  new OpsError(
    `Stack ${stack} is not lost: the data of ${live.join(" and ")} is on its engine, and newer than any copy. Nothing of it was changed.`,
    `See how it is: ${npmRun("status", stack)}. Where other data of it is lost, this says which, and how it comes back: ${npmRun("up", stack)}`,
    exit.usage,
  );

/** @throws OpsError where a state of that name would be overwritten */
function refuseKnown(backend: Backend, stack: string): void {
  const { project, config } = readSettings(ROOT, stack);
  if (!savedStacks(backend, project).includes(stack)) return;
  throw new OpsError(
    `This checkout has a state of stack ${stack} already (${backend.stateDir}), so nothing has to be rebuilt from elsewhere.`,
    `Where only its data is lost, bring that back:\n${onlyData(stack, config)}\nTo rebuild it all the same, use a fresh clone.`,
    exit.usage,
  );
}

/** Pure: the commands for a stack whose state is here; of a server that others run, nothing is put in place. */
export const onlyData = (stack: string, config: KnownConfig): string => {
  const theirs = externalServers(config).map(({ workload }) => workload);
  const own = (["postgres", "redis"] as const).filter((one) => !theirs.includes(one));
  return [
    npmRun("up", stack, "--accept-empty", [...own, "backup"].join(",")),
    npmRun("backup", stack, "fetch"),
    ...(own.includes("postgres") ? [npmRun("restore", stack, "--latest", "--replace")] : []),
    ...(own.includes("redis") ? [npmRun("restore", stack, "--redis", "--latest", "--replace")] : []),
  ]
    .map((line) => `  ${line}`)
    .join("\n");
};

const imagesOf = (stack: string): BaseImages => baseImages(readSettings(ROOT, stack).config);

async function sourceHere(bucket: Source["bucket"], options: RebuildOptions): Promise<Source> {
  const context = toolchainContext({ install: options.install !== false });
  signals.begin({ title: "making the tools ready" });
  await prepareTools(context, "here");
  const host = await dockerHostOf(context);
  const { config } = readSettings(ROOT, options.stack);
  const images = baseImages(config);
  const standIns = environmentOf(options.stack, config.environment ?? "") === "dev";
  await prepareImages(context, Object.values(images), host, standIns);
  return openSource(connect(host, context.env), bucket, images);
}

function checkSealed(sealed: SealedStack, stack: string): void {
  if (sealed.stack === stack) return;
  throw new OpsError(
    `The copy holds the state of stack ${sealed.stack}, and ${stack} was asked for.`,
    `Rebuild it by its own name: ${npmRun("rebuild", sealed.stack)}`,
    exit.usage,
  );
}

/** The passphrase and the stack's file, where they are not here. @throws OpsError where another passphrase is here */
export function writeFiles(backend: Backend, sealed: SealedStack): void {
  const file = backend.env["PULUMI_CONFIG_PASSPHRASE_FILE"];
  if (file !== undefined && sealed.passphrase !== undefined) {
    mkdirSync(backend.stateDir, { recursive: true, mode: 0o700 });
    if (!existsSync(file)) writeFileSync(file, sealed.passphrase, { mode: 0o600, flag: "wx" });
    else if (readFileSync(file, "utf8") !== sealed.passphrase)
      throw new OpsError(
        `${file} is another passphrase than the one of stack ${sealed.stack}: this checkout has stacks of its own.`,
        "Rebuild in a fresh clone. Nothing was changed.",
      );
  }
  const stackFile = stackFilePath(ROOT, sealed.stack);
  const here = readSettings(ROOT, sealed.stack).stackFile;
  if (here === undefined || !hasOwnSecrets(here)) {
    if (here !== undefined)
      say(
        `Pulumi.${sealed.stack}.yaml of this clone gives way to the one of the copy; git diff shows what differs.`,
      );
    writeFileSync(stackFile, sealed.stackFile, { mode: 0o600 });
  }
}

/** A backend elsewhere outlives the host: what it knows of the stack is newer than any copy, and stays. */
async function importSealed(options: RebuildOptions, sealed: SealedStack): Promise<void> {
  signals.begin({ title: `importing the state of stack ${sealed.stack}` });
  const { handle } = await openStackAlone(options, { create: true });
  const known = await handle.state.exportStack();
  if (resourcesOf(known.deployment as State).length > 0)
    return note(
      `The backend has a state of stack ${sealed.stack}, which is newer than the copy's: it is used.`,
    );
  await handle.state.importStack({ version: 3, deployment: sealed.deployment as never });
}
