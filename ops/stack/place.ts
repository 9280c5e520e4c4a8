/** Which stack a command is about, from this checkout's files alone: nothing is installed and no tool is asked. */
import { join } from "node:path";
import type Docker from "dockerode";
import { checkEngine, connect } from "../engine/connection.ts";
import { planBackend, type Backend } from "./backend.ts";
import { knownStacks, unknownStack } from "./known-stacks.ts";
import { checkStackName, configuredEngine, readSettings, type Settings } from "./settings.ts";
import { dockerHostOf, toolchainContext, type ToolchainContext } from "./toolchain.ts";

export const ROOT = join(import.meta.dirname, "../..");

/** The options that every command has. */
export interface CommonOptions {
  readonly stack: string;
  /** False with --no-install. */
  readonly install?: boolean;
  readonly json?: boolean;
  /** Seconds. */
  readonly lockWait?: number;
}

/** A stack by name, before any tool is there. */
export interface Place {
  readonly stack: string;
  readonly settings: Settings;
  readonly backend: Backend;
  readonly context: ToolchainContext;
}

/**
 * @param onlyLooking true for a command that installs and changes nothing.
 * @throws OpsError when the name cannot be one or nothing here knows it
 */
export function findPlace(options: CommonOptions, onlyLooking = false): Place {
  checkStackName(options.stack);
  const settings = readSettings(ROOT, options.stack);
  const backend = planBackend(ROOT, process.env);
  // A remote backend can only be asked once the CLI is there; openStack does it.
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

/** The address of the stack's engine: the config's, else the one of this machine. @throws OpsError */
export async function engineOf({ stack, settings, context }: Place): Promise<string> {
  return configuredEngine(stack, settings) || (await dockerHostOf(context));
}

export interface Engine {
  readonly docker: Docker;
  /** Its address, as DOCKER_HOST writes it. */
  readonly dockerHost: string;
}

/** The engine of a stack, for commands that only look. @throws OpsError when it does not answer */
export async function openEngine(place: Place): Promise<Engine> {
  const dockerHost = await engineOf(place);
  const docker = connect(dockerHost, place.context.env);
  await checkEngine(docker, dockerHost);
  return { docker, dockerHost };
}
