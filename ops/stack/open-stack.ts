/** A stack of this project: where its state lies, how its secrets are kept, and the Automation API's hold on it. */
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { isDeepStrictEqual } from "node:util";
import {
  LocalWorkspace,
  PulumiCommand,
  Stack,
  StackNotFoundError,
  type GlobalOpts,
} from "@pulumi/pulumi/automation/index.js";
import { EXIT, OpsError } from "../terminal/errors.ts";
import { inOwnProcessGroup } from "./pulumi-command.ts";
import { readYaml, stackFiles, type Settings, type Values } from "./settings.ts";
import type { State } from "./state.ts";

/** Where state and secrets are, as far as ops decides it. */
export interface Backend {
  /** True when state and passphrase are this checkout's own, in .state. */
  readonly own: boolean;
  readonly stateDir: string;
  /** The folder of a file backend, ours or one from the environment; undefined for any other. */
  readonly folder?: string;
  /** What the Pulumi CLI gets in its environment for it. */
  readonly env: Readonly<Record<string, string>>;
}

/** Pure but for the folder's name: the backend that the environment asks for, else the local one. */
export function planBackend(root: string, env: NodeJS.ProcessEnv): Backend {
  const stateDir = path.join(root, ".state");
  const url = env["PULUMI_BACKEND_URL"];
  if (url !== undefined && url !== "") {
    const folder = url.startsWith("file://") ? path.resolve(root, url.slice("file://".length)) : undefined;
    return { own: false, stateDir, folder, env: {} };
  }
  const passphrase =
    env["PULUMI_CONFIG_PASSPHRASE"] !== undefined || env["PULUMI_CONFIG_PASSPHRASE_FILE"] !== undefined
      ? undefined
      : path.join(stateDir, "passphrase");
  return {
    own: true,
    stateDir,
    folder: stateDir,
    env: {
      PULUMI_BACKEND_URL: `file://${stateDir}`,
      ...(passphrase === undefined ? {} : { PULUMI_CONFIG_PASSPHRASE_FILE: passphrase }),
    },
  };
}

/** Makes the folder and the passphrase, once. Losing the passphrase loses every secret of the state. */
export function prepareBackend(backend: Backend): void {
  fs.mkdirSync(backend.stateDir, { recursive: true, mode: 0o700 });
  const file = backend.env["PULUMI_CONFIG_PASSPHRASE_FILE"];
  if (file === undefined || fs.existsSync(file)) return;
  const stacks = path.join(backend.stateDir, ".pulumi", "stacks");
  if (
    fs.existsSync(stacks) &&
    fs.readdirSync(stacks, { recursive: true }).some((name) => String(name).endsWith(".json"))
  ) {
    throw new OpsError(
      `${file} is gone, but the state beside it has stacks whose secrets need it.`,
      "Bring the file back from a copy, or set PULUMI_CONFIG_PASSPHRASE. A new passphrase could not read them.",
    );
  }
  const aside = `${file}.${process.pid}`;
  fs.writeFileSync(aside, randomBytes(32).toString("base64url"), { mode: 0o600, flag: "wx" });
  try {
    // A link fails where a second run was faster; a rename would replace its passphrase.
    fs.linkSync(aside, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    fs.rmSync(aside, { force: true });
  }
}

/** A committed stack file that says itself how its secrets are encrypted is used as it is. */
export const hasOwnSecrets = (stackFile: Values | undefined): boolean =>
  ["encryptionsalt", "secretsprovider", "encryptedkey"].some((key) => stackFile?.[key] !== undefined);

/**
 * Pure: the stack file that the CLI is given in place of the committed one: the same, with this machine's salt.
 * The CLI writes the salt into the stack's file; in the committed one it would be of use to nobody else.
 */
export function localStackFile(
  committed: Values | undefined,
  local: Values | undefined,
  state: State | undefined,
): Record<string, unknown> {
  const salt = local?.["encryptionsalt"] ?? state?.secrets_providers?.state?.salt;
  return { ...committed, ...(typeof salt === "string" ? { encryptionsalt: salt } : {}) };
}

/** A stack, known to the backend. */
export interface StackHandle {
  readonly name: string;
  readonly settings: Settings;
  readonly backend: Backend;
  /** Runs the program: up, preview, refresh, destroy. Always with `options`. */
  readonly program: Stack;
  /** Reads and writes state: export, import, outputs, history, remove. Never touches a committed file. */
  readonly state: Stack;
  /** What every run of the program takes: the stack's file and, once there are any, the policy packs. */
  readonly options: GlobalOpts & { showSecrets: false; policyPacks: string[] };
}

const writeAside = (file: string, text: string): void => {
  fs.writeFileSync(`${file}.new`, text, { mode: 0o600 });
  fs.renameSync(`${file}.new`, file);
};

/**
 * Lays out .state/project: a project of the same name that has only stack files, with this machine's salts.
 * JSON is YAML too, and needs no writer of its own.
 */
function layOutLocalProject(
  backend: Backend,
  name: string,
  settings: Settings,
): { folder: string; file: string } {
  const folder = path.join(backend.stateDir, "project");
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeAside(
    path.join(folder, "Pulumi.yaml"),
    `${JSON.stringify({ name: settings.project, runtime: "nodejs" })}\n`,
  );
  const file = path.join(folder, `Pulumi.${name}.yaml`);
  const local = readLocal(file);
  const wanted = localStackFile(settings.stackFile, local, savedState(backend, settings.project, name));
  // Left alone while it is right: another run's CLI may be about to read it, or to add the salt.
  if (!isDeepStrictEqual(local, wanted)) writeAside(file, `${JSON.stringify(wanted, null, 2)}\n`);
  return { folder, file };
}

/** What a former run left there; a file that cannot be read is written anew. */
function readLocal(file: string): Values | undefined {
  try {
    return fs.existsSync(file) ? readYaml(file) : undefined;
  } catch {
    return undefined;
  }
}

/** The salt is in the state as well: a way back when the local file was lost. */
function savedState(backend: Backend, project: string, name: string): State | undefined {
  if (backend.folder === undefined) return undefined;
  try {
    const file = path.join(backend.folder, ".pulumi", "stacks", project, `${name}.json`);
    const saved = JSON.parse(fs.readFileSync(file, "utf8")) as { checkpoint?: { latest?: State } };
    return saved.checkpoint?.latest;
  } catch {
    return undefined;
  }
}

/** The stacks of a file backend, without asking the CLI. */
export function savedStacks(backend: Backend, project: string): string[] {
  if (backend.folder === undefined) return [];
  try {
    return fs
      .readdirSync(path.join(backend.folder, ".pulumi", "stacks", project))
      .map((name) => /^([^.]+)\.json$/.exec(name)?.[1])
      .filter((name) => name !== undefined);
  } catch {
    return [];
  }
}

/** Every stack that is known without asking a remote backend. */
export const knownStacks = (root: string, backend: Backend, project: string): string[] =>
  [...new Set([...stackFiles(root), ...savedStacks(backend, project)])].sort();

export function unknownStack(name: string, known: readonly string[]): OpsError {
  return new OpsError(
    `There is no stack "${name}". Known: ${known.length > 0 ? known.join(", ") : "none"}.`,
    `Name one with --stack, or make a new one: npm run stack -- init ${name}`,
    EXIT.usage,
  );
}

export interface OpenOptions {
  readonly root: string;
  readonly name: string;
  readonly settings: Settings;
  readonly backend: Backend;
  /** The environment that the toolchain made ready. */
  readonly env: Readonly<Record<string, string>>;
  /** Where the CLI is installed; undefined when it is only on PATH. */
  readonly pulumiRoot: string | undefined;
  readonly policyPacks: readonly string[];
  /** Makes a known stack that the backend does not have yet; else that is an error. */
  readonly create: boolean;
  /** True for a command that nothing should wait for. */
  readonly isUrgent: boolean;
  readonly say: (line: string) => void;
}

/** Finds the stack in the backend, or makes it there. @throws OpsError when nothing knows it */
export async function openStack(options: OpenOptions): Promise<StackHandle> {
  const { root, name, settings, backend } = options;
  const known = knownStacks(root, backend, settings.project);
  if (backend.folder !== undefined && !known.includes(name)) throw unknownStack(name, known);
  prepareBackend(backend);

  const pulumi = await PulumiCommand.get({ root: options.pulumiRoot });
  const pulumiCommand = inOwnProcessGroup(pulumi, options.isUrgent);
  const envVars = { ...options.env, ...backend.env, PULUMI_SKIP_UPDATE_CHECK: "true" };
  const local =
    backend.own && !hasOwnSecrets(settings.stackFile)
      ? layOutLocalProject(backend, name, settings)
      : undefined;
  const at = (workDir: string): Promise<LocalWorkspace> =>
    LocalWorkspace.create({ workDir, envVars, pulumiCommand });
  const program = await at(root);
  const state = local === undefined ? program : await at(local.folder);

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
    `Stack ${name} is new here; it is initialised in ${options.backend.own ? options.backend.stateDir : "the backend"}.`,
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
