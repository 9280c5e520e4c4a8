/** A stack by way of Pulumi's Automation API: found in the backend or made there, and its state read and written. */
import {
  LocalWorkspace,
  PulumiCommand,
  Stack,
  StackNotFoundError,
  type GlobalOpts,
} from "@pulumi/pulumi/automation/index.js";
import { OpsError } from "../terminal/errors.ts";
import { prepareBackend, type Backend } from "./backend.ts";
import { knownStacks, unknownStack } from "./known-stacks.ts";
import { hasOwnSecrets, writeLocalProject } from "./local-project.ts";
import { inOwnProcessGroup } from "./pulumi-command.ts";
import type { Settings } from "./settings.ts";
import type { State } from "./state.ts";

/** A stack that the backend has. */
export interface StackHandle {
  readonly name: string;
  readonly settings: Settings;
  readonly backend: Backend;
  /** Runs the program: up, preview, refresh, destroy. Always with `options`. */
  readonly program: Stack;
  /** Reads and writes the state: export, import, outputs, history, remove. Never touches a committed file. */
  readonly state: Stack;
  /** What every run of the program takes: the stack's file and the policy packs. */
  readonly options: GlobalOpts & { showSecrets: false; policyPacks: string[] };
}

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
  /** Makes a known stack that the backend does not have yet; otherwise that is an error. */
  readonly create: boolean;
  /** True for a command that nothing should wait for. */
  readonly isUrgent: boolean;
  readonly say: (line: string) => void;
}

/** Finds the stack in the backend, or makes it there. @throws OpsError when nothing knows it */
export async function openStack(options: OpenOptions): Promise<StackHandle> {
  const { root, name, settings, backend, environment, isUrgent } = options;
  const known = knownStacks(root, backend, settings.project);
  if (backend.folder !== undefined && !known.includes(name)) throw unknownStack(name, known);
  prepareBackend(backend);

  const official = await PulumiCommand.get({ root: options.pulumiRoot });
  const pulumiCommand = inOwnProcessGroup(official, environment, isUrgent);
  const local =
    backend.own && !hasOwnSecrets(settings.stackFile)
      ? writeLocalProject(backend, name, settings)
      : undefined;
  const workspaceIn = (workDir: string): Promise<LocalWorkspace> =>
    LocalWorkspace.create({ workDir, envVars: { ...backend.env }, pulumiCommand });
  const program = await workspaceIn(root);
  const state = local === undefined ? program : await workspaceIn(local.folder);

  const opened = await selectOrCreate(state, options, known);
  return {
    name,
    settings,
    backend,
    state: opened,
    program: local === undefined ? opened : await Stack.select(name, program),
    options: { configFile: local?.file, showSecrets: false, policyPacks: [...options.policyPacks] },
  };
}

async function selectOrCreate(
  workspace: LocalWorkspace,
  options: OpenOptions,
  known: readonly string[],
): Promise<Stack> {
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
  if (!options.create) {
    throw new OpsError(
      `Stack ${name} has not been deployed from here.`,
      `Deploy it: npm run up${name === "dev" ? "" : ` -- --stack ${name}`}`,
    );
  }
  options.say(
    `Stack ${name} is new here; its state is begun in ${options.backend.own ? options.backend.stateDir : "the backend"}.`,
  );
  return Stack.create(name, workspace);
}

/** The whole state. */
export async function exportState(stack: StackHandle): Promise<State> {
  const exported = await stack.state.exportStack();
  return (exported.deployment ?? {}) as State;
}

/** Replaces the state by an edited one. */
export async function importState(stack: StackHandle, edit: (state: State) => State): Promise<void> {
  const exported = await stack.state.exportStack();
  await stack.state.importStack({ ...exported, deployment: edit((exported.deployment ?? {}) as State) });
}
