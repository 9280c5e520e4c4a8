/** A stack by way of Pulumi's Automation API: found in the backend or made there, and its state read and written. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  LocalWorkspace,
  PulumiCommand,
  Stack,
  StackNotFoundError,
  type GlobalOpts,
} from "@pulumi/pulumi/automation/index.js";
import { planBackend, prepareBackend, type Backend } from "./backend.ts";
import { knownStacks, notDeployed, unknownStack } from "./known-stacks.ts";
import { hasOwnSecrets, writeLocalProject } from "./local-project.ts";
import { patient, whileLocked } from "./lock-wait.ts";
import type { Waiting } from "./locks.ts";
import { inOwnProcessGroup, type RunnableCommand } from "./pulumi-command.ts";
import type { Settings } from "./settings.ts";
import type { State } from "./state.ts";
import { signals } from "./this-process.ts";

/** A stack that the backend has. */
export interface StackHandle {
  readonly name: string;
  readonly settings: Settings;
  readonly backend: Backend;
  /** Runs the program: up, preview, refresh, destroy. Always with `options`. */
  readonly program: Stack;
  /** Reads and writes the state: export, import, outputs, history, remove. Never touches a committed file. */
  readonly state: Stack;
  /** How long its commands wait for another run's lock. */
  readonly waiting: Waiting;
  /** What every run of the program takes: the stack's file and the policy packs. */
  readonly options: GlobalOpts & { showSecrets: false; policyPacks: string[] };
}

/**
 * What happens with a known stack that the backend does not have yet: it is made; it is an error; or it is made aside, in
 * a state that is thrown away, for a look at what a first deploy would do.
 */
export type Create = boolean | "aside";

export interface OpenOptions {
  readonly root: string;
  readonly name: string;
  readonly settings: Settings;
  readonly backend: Backend;
  /** The whole environment that the CLI and all that it starts run in. */
  readonly environment: Readonly<Record<string, string>>;
  /** Where the CLI is installed; undefined when it is only on PATH. */
  readonly pulumiRoot: string | undefined;
  readonly policyPacks: readonly string[];
  readonly create: Create;
  /** True for a command that nothing should wait for. */
  readonly isUrgent: boolean;
  /** How long to wait for another run's lock, and who is told. */
  readonly waiting: Waiting;
}

/** Finds the stack in the backend, or makes it there. @throws OpsError when nothing knows it */
export async function openStack(options: OpenOptions): Promise<StackHandle> {
  const { root, name, settings, backend, environment, isUrgent, waiting } = options;
  const known = knownStacks(root, backend, settings.project);
  if (backend.folder !== undefined && !known.includes(name)) throw unknownStack(name, known);
  prepareBackend(backend);

  const official = await PulumiCommand.get({ root: options.pulumiRoot });
  const pulumiCommand = patient(inOwnProcessGroup(official, environment, isUrgent), name, waiting);
  const local =
    backend.own && !hasOwnSecrets(settings.stackFile)
      ? writeLocalProject(backend, name, settings)
      : undefined;
  const workspaceIn = (workDir: string): Promise<LocalWorkspace> =>
    LocalWorkspace.create({ workDir, envVars: { ...backend.env }, pulumiCommand });
  const program = await workspaceIn(root);
  const state = local === undefined ? program : await workspaceIn(local.folder);

  const opened = await selectOrCreate(state, options, known);
  if (opened === undefined) return openAside(options, pulumiCommand);
  return {
    name,
    settings,
    backend,
    waiting,
    state: opened,
    program: local === undefined ? opened : await Stack.select(name, program),
    options: { configFile: local?.file, showSecrets: false, policyPacks: [...options.policyPacks] },
  };
}

async function selectOrCreate(
  workspace: LocalWorkspace,
  options: OpenOptions,
  known: readonly string[],
): Promise<Stack | undefined> {
  const { name } = options;
  try {
    return await Stack.select(name, workspace);
  } catch (error) {
    if (!(error instanceof StackNotFoundError)) throw error;
  }
  if (!known.includes(name)) {
    const listed = (await workspace.listStacks()).map((stack) => stack.name);
    throw unknownStack(name, [...new Set([...known, ...listed])].sort());
  }
  if (options.create === "aside") return undefined;
  if (!options.create) throw notDeployed(name);
  options.waiting.say(
    `Stack ${name} is new here; its state is begun in ${options.backend.own ? options.backend.stateDir : "the backend"}.`,
  );
  return Stack.create(name, workspace);
}

/** A stack in a state of its own, which goes when this process ends. */
async function openAside(options: OpenOptions, pulumiCommand: RunnableCommand): Promise<StackHandle> {
  const { root, name, settings, environment, waiting, policyPacks } = options;
  const stateDir = mkdtempSync(join(tmpdir(), "omniai-aside-"));
  signals.onLeave(() => rmSync(stateDir, { recursive: true, force: true }));
  const planned = planBackend(stateDir, {});
  // What the committed file has encrypted was encrypted with the passphrase of the real state.
  const passphrase = hasOwnSecrets(settings.stackFile)
    ? passphraseOf({ ...environment, ...options.backend.env })
    : {};
  const backend = { ...planned, env: { ...planned.env, ...passphrase } };
  prepareBackend(backend);
  const { folder, file } = writeLocalProject(backend, name, settings);
  const workspaceIn = (workDir: string): Promise<LocalWorkspace> =>
    LocalWorkspace.create({ workDir, envVars: { ...backend.env }, pulumiCommand });
  const state = await Stack.create(name, await workspaceIn(folder));
  return {
    ...{ name, settings, backend, waiting, state },
    program: await Stack.select(name, await workspaceIn(root)),
    options: { configFile: file, showSecrets: false, policyPacks: [...policyPacks] },
  };
}

/** Pure: the variables that name a passphrase. */
const passphraseOf = (environment: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(environment).filter(([name]) => name.startsWith("PULUMI_CONFIG_PASSPHRASE")),
  );

/** The whole state. */
export async function exportState(stack: Pick<StackHandle, "state">): Promise<State> {
  const exported = await stack.state.exportStack();
  return (exported.deployment ?? {}) as State;
}

/**
 * Replaces the state by an edited one: by the state as it is after another run that had the lock.
 * @param edit is asked again after a wait, so it looks at whatever else it goes by anew, and says nothing to anybody yet.
 */
export async function importState(
  stack: Pick<StackHandle, "name" | "state" | "waiting">,
  edit: (state: State) => State | Promise<State>,
): Promise<void> {
  await whileLocked(stack.name, stack.waiting, async () => {
    const exported = await stack.state.exportStack();
    const deployment = await edit((exported.deployment ?? {}) as State);
    await stack.state.importStack({ ...exported, deployment });
  });
}
