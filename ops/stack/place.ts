/** Which stack a command is about, from this checkout's files alone: nothing is installed and no tool is asked. */
import { delimiter, join } from "node:path";
import type Docker from "dockerode";
import { parseSshAddress } from "../../tools/host/ssh-address.ts";
import { checkEngine, connect } from "../engine/connection.ts";
import { openTunnel } from "../engine/ssh/tunnel.ts";
import { planBackend, type Backend } from "./backend.ts";
import { knownStacks, unknownStack } from "./known-stacks.ts";
import { checkStackName, configuredEngine, readSettings, type Settings } from "./settings.ts";
import { signals } from "./this-process.ts";
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
    context: toolchainContext({
      install: options.install !== false && !onlyLooking,
      onlyLooking,
      // One that cannot be read is refused by whoever asks for the engine.
      dockerHost: settings.config.dockerHost,
    }),
  };
}

/** The address of the stack's engine: the config's, else the one of this machine. @throws OpsError */
export async function engineOf({ stack, settings, context }: Place): Promise<string> {
  return configuredEngine(stack, settings) || (await dockerHostOf(context));
}

/** Whether the stack's engine is behind SSH: then this machine needs none. @throws OpsError */
export const whereIsEngine = async (place: Place): Promise<"here" | "elsewhere"> =>
  parseSshAddress(await engineOf(place)) === undefined ? "here" : "elsewhere";

export interface Engine {
  readonly docker: Docker;
  /** Its address, as DOCKER_HOST writes it. */
  readonly dockerHost: string;
  /** An environment whose programs reach the same engine, in the same way. */
  withEngine(this: void, env: Readonly<Record<string, string | undefined>>): Record<string, string>;
}

/** The engines that this process has a way to: a command has one SSH connection, however often it asks. */
const engines = new Map<string, Promise<Engine>>();

/**
 * The engine of a stack. One that did not answer is tried anew the next time: its machine may have been prepared meanwhile.
 * @param loginKey reads omniai:hostPrivateKey, for a stack that has one. @throws OpsError when it does not answer
 */
export async function connectEngine(
  place: Place,
  loginKey: () => Promise<string | undefined>,
): Promise<Engine> {
  const dockerHost = await engineOf(place);
  const known = engines.get(dockerHost);
  if (known !== undefined) return known;
  const engine = reachEngine(dockerHost, place, loginKey);
  engines.set(dockerHost, engine);
  engine.catch(() => engines.delete(dockerHost));
  return engine;
}

async function reachEngine(
  dockerHost: string,
  { context, settings }: Place,
  loginKey: () => Promise<string | undefined>,
): Promise<Engine> {
  const address = parseSshAddress(dockerHost);
  if (address === undefined) {
    const docker = connect(dockerHost, context.env);
    await checkEngine(docker, dockerHost);
    return { docker, dockerHost, withEngine: (env) => ({ ...defined(env), DOCKER_HOST: dockerHost }) };
  }
  const login = {
    address,
    hostKey: settings.config.hostKey || undefined,
    privateKey: settings.hasLoginKey ? await loginKey() : undefined,
  };
  const tunnel = await openTunnel(login, context.env);
  signals.onLeave(() => tunnel.close());
  const docker = connect(tunnel.address, context.env);
  await checkEngine(docker, dockerHost, () => tunnel.complaint);
  const programs = tunnel.programs === undefined ? [] : [tunnel.programs];
  return {
    docker,
    dockerHost,
    withEngine: (env) => ({
      ...defined(env),
      DOCKER_HOST: dockerHost,
      PATH: [...programs, env["PATH"] ?? ""].join(delimiter),
    }),
  };
}

/** Without a builder of the user's own choice: its images would not be on the engine. */
const defined = ({
  BUILDX_BUILDER: _,
  ...env
}: Readonly<Record<string, string | undefined>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
