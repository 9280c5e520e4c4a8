/** What every command begins with: which stack, which engine, which tools, and the lock where it changes something. */
import path from "node:path";
import { fileURLToPath } from "node:url";
import type Docker from "dockerode";
import { checkEngine, connect } from "./engine.ts";
import { Interrupts } from "./interrupts.ts";
import { clearPulumiLocks, takeOwnLock } from "./locks.ts";
import { mendCheckpoint } from "./mend.ts";
import { note, paint } from "./output.ts";
import { killRunning } from "./pulumi-command.ts";
import { checkTypes, checkStackName, readSettings, textOf, type Settings } from "./settings.ts";
import {
  knownStacks,
  openStack,
  planBackend,
  unknownStack,
  type Backend,
  type StackHandle,
} from "./stack.ts";
import {
  prepareTools,
  toolchainContext,
  dockerHostOf,
  type PartStatus,
  type ToolchainContext,
} from "./toolchain.ts";

export const ROOT = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

/** Policy packs that every preview and update runs with: absolute paths, because the CLI wants them so. */
export const POLICY_PACKS: readonly string[] = [];

/** The options that every command has. */
export interface CommonOptions {
  readonly stack: string;
  /** False with --no-install. */
  readonly install?: boolean;
  readonly json?: boolean;
  /** Seconds. */
  readonly lockWait?: number;
}

/** A line on standard error that says what is done without having been asked for. */
export const say = (line: string): void => note(line);

export const interrupts = new Interrupts({
  say: (line) => note(paint("yellow", line, process.stderr)),
  exit: (error) => {
    note(`${error.message} ${error.remedy}`);
    interrupts.leave();
    killRunning("SIGKILL");
    process.exit(error.exitCode);
  },
});

/** A stack by name, before any tool is there. */
export interface Place {
  readonly stack: string;
  readonly settings: Settings;
  readonly backend: Backend;
  readonly context: ToolchainContext;
}

/** @param onlyLooking true for a command that installs and changes nothing */
export function findPlace(options: CommonOptions, onlyLooking = false): Place {
  checkStackName(options.stack);
  const settings = readSettings(ROOT, options.stack);
  const backend = planBackend(ROOT, process.env);
  // Said before anything is installed; a remote backend is asked once the CLI is there.
  const known = knownStacks(ROOT, backend, settings.project);
  if (backend.folder !== undefined && !known.includes(options.stack))
    throw unknownStack(options.stack, known);
  return {
    stack: options.stack,
    settings,
    backend,
    context: toolchainContext(options.install !== false && !onlyLooking, onlyLooking),
  };
}

/** The engine of a stack, for commands that only look. @throws OpsError when it does not answer */
export async function openEngine(place: Place): Promise<{ docker: Docker; dockerHost: string }> {
  const dockerHost = textOf(place.settings.values, "dockerHost") ?? (await dockerHostOf(place.context));
  const docker = connect(dockerHost);
  await checkEngine(docker, dockerHost);
  return { docker, dockerHost };
}

export interface Session extends Place {
  readonly docker: Docker;
  readonly dockerHost: string;
  readonly engineIsLocal: boolean;
  readonly handle: StackHandle;
  /** The parts of the toolchain that it runs with. */
  readonly parts: readonly PartStatus[];
}

const isLocal = (host: string): boolean => host.startsWith("unix://") || host.startsWith("npipe://");

export interface Needs {
  /** Makes a known stack that the backend does not have yet; else that is an error. */
  readonly create: boolean;
  /** True for a command that installs and changes nothing. */
  readonly onlyLooking?: boolean;
  /** The command that takes the stack's lock until the process ends; undefined for one that only reads. */
  readonly lock?: string;
}

/** The tools, the engine and the stack, made ready. */
export async function openSession(options: CommonOptions, needs: Needs): Promise<Session> {
  const place = findPlace(options, needs.onlyLooking);
  if (needs.create) checkTypes(place.stack, place.settings);
  interrupts.begin({ title: "making the tools ready" });
  const { env, pulumi, statuses } = await prepareTools(place.context);
  // The Automation API and everything it starts look here.
  Object.assign(process.env, env);
  const { docker, dockerHost } = await openEngine(place);
  // The program asks DOCKER_HOST, and knows nothing of docker contexts: the two must not part.
  process.env["DOCKER_HOST"] = dockerHost;
  if (needs.lock !== undefined) await lockStack(place, needs.lock, options);
  interrupts.begin({ title: `opening stack ${place.stack}` });
  const handle = await openStack({
    root: ROOT,
    name: place.stack,
    settings: place.settings,
    backend: place.backend,
    env: { ...env, DOCKER_HOST: dockerHost },
    pulumiRoot: pulumi.root,
    policyPacks: POLICY_PACKS,
    create: needs.create,
    say,
  });
  return { ...place, docker, dockerHost, engineIsLocal: isLocal(dockerHost), handle, parts: statuses };
}

/** Takes the stack for this command, until the process ends. */
async function lockStack(place: Place, command: string, options: CommonOptions): Promise<void> {
  const waiting = { seconds: options.lockWait ?? 600, say };
  interrupts.begin({ title: `waiting for the lock of stack ${place.stack}` });
  interrupts.onLeave(await takeOwnLock(place.backend.stateDir, place.stack, command, waiting));
  if (place.backend.folder !== undefined) {
    await clearPulumiLocks(place.backend.folder, place.settings.project, place.stack, waiting);
    mendCheckpoint(place.backend.folder, place.settings.project, place.stack, say);
  }
}
