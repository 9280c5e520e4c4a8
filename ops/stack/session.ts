/** What every command begins with: which stack, which engine, which tools, and the lock where it changes something. */
import path from "node:path";
import type Docker from "dockerode";
import { BUILD_VARIABLE } from "../../infra/components/backend/image.ts";
import { Audit, readChanges, servingBuild } from "./audit.ts";
import { checkEngine, connect } from "../engine/containers.ts";
import { SignalHandler } from "../terminal/signals.ts";
import { clearPulumiLocks, takeOwnLock } from "./locks.ts";
import { repairCheckpoint } from "./checkpoint-repair.ts";
import { note, paint } from "../terminal/output.ts";
import { killRunning } from "./pulumi-command.ts";
import { checkConfig, checkStackName, readSettings, textOf, type Settings } from "./settings.ts";
import {
  knownStacks,
  openStack,
  planBackend,
  unknownStack,
  type Backend,
  type StackHandle,
} from "./open-stack.ts";
import {
  prepareTools,
  toolchainContext,
  dockerHostOf,
  type PartStatus,
  type Toolchain,
  type ToolchainContext,
} from "./toolchain.ts";

export const ROOT = path.join(import.meta.dirname, "../..");

/** Policy packs that every preview and update runs with. A program, so by absolute path: it is started as it is. */
export const POLICY_PACKS: readonly string[] = [path.join(ROOT, "policies", "main.ts")];

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

export const signals = new SignalHandler({
  say: (line) => note(paint("yellow", line, process.stderr)),
  exit: (error) => {
    note(`${error.message} ${error.remedy}`);
    signals.leave();
    killRunning("SIGKILL");
    process.exit(error.exitCode);
  },
});

/** The change that this process makes. */
let underWay: Audit | undefined;

/** Makes its end known, however the process ends. */
export function auditing(audit: Audit): Audit {
  underWay = audit;
  signals.onLeave(() => audit.end("interrupted"));
  return audit;
}

/** The end of the change, if one was begun. */
export const endAudit: Audit["end"] = (result, reason) => underWay?.end(result, reason);

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
  /** Of a command that took the lock. */
  readonly audit?: Audit;
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
  const { place, tools } = await makeReady(options, needs);
  const { docker, dockerHost } = await openEngine(place);
  // The program asks DOCKER_HOST, and knows nothing of docker contexts: the two must not part.
  process.env["DOCKER_HOST"] = dockerHost;
  const opened = await open(place, tools, needs, options, { DOCKER_HOST: dockerHost });
  return {
    ...place,
    docker,
    dockerHost,
    engineIsLocal: isLocal(dockerHost),
    ...opened,
    parts: tools.statuses,
  };
}

/** The tools and the stack, without the engine: for what is done before there is one. */
export async function openStackAlone(
  options: CommonOptions,
  needs: Needs,
): Promise<Place & { readonly handle: StackHandle }> {
  const { place, tools } = await makeReady(options, needs);
  return { ...place, ...(await open(place, tools, needs, options, {})) };
}

async function makeReady(
  options: CommonOptions,
  needs: Needs,
): Promise<{ readonly place: Place; readonly tools: Toolchain }> {
  const place = findPlace(options, needs.onlyLooking);
  if (needs.create) checkConfig(place.stack, place.settings);
  signals.begin({ title: "making the tools ready" });
  const tools = await prepareTools(place.context);
  // The Automation API and everything it starts look here.
  Object.assign(process.env, tools.env);
  return { place, tools };
}

async function open(
  place: Place,
  { env, pulumi }: Toolchain,
  needs: Needs,
  options: CommonOptions,
  more: Readonly<Record<string, string>>,
): Promise<{ readonly handle: StackHandle; readonly audit?: Audit }> {
  // Only a rollback says which build; one left in the environment would keep `up` from the sources.
  delete process.env[BUILD_VARIABLE];
  const audit = needs.lock === undefined ? undefined : await lockStack(place, needs.lock, options);
  signals.begin({ title: `opening stack ${place.stack}` });
  const handle = await openStack({
    root: ROOT,
    name: place.stack,
    settings: place.settings,
    backend: place.backend,
    env: { ...env, ...more },
    pulumiRoot: pulumi.root,
    policyPacks: POLICY_PACKS,
    create: needs.create,
    isUrgent: needs.lock === "rollback",
    say,
  });
  return { handle, ...(audit && { audit }) };
}

/** Takes the stack for this command, until the process ends. @returns the line that the change will leave */
async function lockStack(place: Place, command: string, options: CommonOptions): Promise<Audit> {
  const waiting = { seconds: options.lockWait ?? 600, say };
  signals.begin({ title: `waiting for the lock of stack ${place.stack}` });
  signals.onLeave(await takeOwnLock(place.backend.stateDir, place.stack, command, waiting));
  if (place.backend.folder !== undefined) {
    await clearPulumiLocks(place.backend.folder, place.settings.project, place.stack, waiting);
    repairCheckpoint(place.backend.folder, place.settings.project, place.stack, say);
  }
  const audit = auditing(new Audit(place.backend.stateDir, place.stack, command));
  audit.note({ from: servingBuild(readChanges(place.backend.stateDir, place.stack)) });
  return audit;
}

/**
 * Reads secrets out of a stack's config, for commands that only look: undefined where one is not set, or where this
 * machine cannot decrypt it. Nothing is installed for it.
 */
export function readSecretOf(options: CommonOptions): (key: string) => Promise<string | undefined> {
  let opened: Promise<StackHandle> | undefined;
  return async (key) => {
    try {
      opened ??= openSession(options, { create: false, onlyLooking: true }).then(({ handle }) => handle);
      const { program, settings } = await opened;
      const { value } = await program.getConfig(`${settings.project}:${key}`);
      return value === "" ? undefined : value;
    } catch {
      return undefined;
    }
  };
}
