/** The one place where ops uses tools/find, which finds or makes the tools, the engine and the images. */
import { parseImageName, type ImageName } from "../../tools/build/images/names.ts";
import {
  describeDiskSpace,
  enginePart,
  judgeDiskSpace,
  measureDiskSpace,
  resolveDockerHost,
  stopEngine,
  type DiskSpace,
} from "../../tools/find/engine/index.ts";
import { ensureImages, inspectImages } from "../../tools/find/images/index.ts";
import {
  ensureToolchain,
  inspectToolchain,
  partsWithoutEngine,
  type Toolchain,
} from "../../tools/find/index.ts";
import { pulumiPart } from "../../tools/find/pulumi/cli.ts";
import { inspectCloudPlugins, type CloudPlugin } from "../../tools/find/pulumi/plugin.ts";
import { createContext } from "../../tools/host/context.ts";
import {
  ToolchainError,
  type PartStatus,
  type Reporter,
  type ToolchainContext,
} from "../../tools/host/part.ts";
import { createReporter } from "../../tools/host/report.ts";

export { parseImageName };
export type { CloudPlugin, DiskSpace, ImageName, PartStatus, Toolchain, ToolchainContext };

/** For commands that only look: what a stand-in lacks is said when something is deployed with it, not here. */
function quiet(): Reporter {
  return { ...createReporter(), warn: () => undefined };
}

export interface ContextChoices {
  /** False makes a missing part an error that says what to install. */
  readonly install: boolean;
  readonly onlyLooking?: boolean;
  /** The engine's address in the stack's config; empty: this machine's own. */
  readonly dockerHost?: string;
}

/** The toolchain knows an engine by DOCKER_HOST, so the config's takes the place of the one in this process. */
export const toolchainContext = ({ install, onlyLooking, dockerHost }: ContextChoices): ToolchainContext =>
  createContext({
    install,
    ...(onlyLooking ? { report: quiet() } : {}),
    ...(dockerHost ? { env: { ...process.env, DOCKER_HOST: dockerHost } } : {}),
  });

/** @param engine "elsewhere" leaves the engine out: it is behind SSH, and `prepareEngine` judges it when there is a way to it. */
export const prepareTools = (context: ToolchainContext, engine: "here" | "elsewhere"): Promise<Toolchain> =>
  engine === "here" ? ensureToolchain(context) : ensureToolchain(context, partsWithoutEngine);

/** The Pulumi CLI alone, for who only reads with it. @returns its path. @throws ToolchainError where there is none */
export async function inspectCli(context: ToolchainContext): Promise<string> {
  const { location, remedy = "" } = await pulumiPart.inspect(context);
  if (location === undefined) throw new ToolchainError("The Pulumi CLI is missing or too old.", remedy);
  return location;
}

/** Judges the age and the disk of the context's engine. @throws ToolchainError */
export const prepareEngine = (context: ToolchainContext): Promise<PartStatus> => enginePart.ensure(context);

/** The same, only looking. */
export const inspectEngine = (context: ToolchainContext): Promise<PartStatus> => enginePart.inspect(context);

export { describeDiskSpace, judgeDiskSpace };

/** The free space where the context's engine keeps its images and volumes; undefined where it cannot be measured. */
export const engineDisk = async (context: ToolchainContext): Promise<DiskSpace | undefined> =>
  measureDiskSpace(context.env, await resolveDockerHost(context.env));

/** The address of the engine that is used when the stack's config names none. */
export const dockerHostOf = (context: ToolchainContext): Promise<string> => resolveDockerHost(context.env);

/** @param standIns false where an image that cannot be pulled is an error */
export const prepareImages = (
  context: ToolchainContext,
  names: readonly string[],
  host: string,
  standIns: boolean,
): Promise<PartStatus[]> => ensureImages(context, names, host, standIns);

/** One line that names every part and image that is a stand-in; undefined when there is none. */
export function standInsLine(statuses: readonly PartStatus[]): string | undefined {
  const names = statuses.filter(({ limits }) => (limits ?? []).length > 0).map(({ name }) => name);
  if (names.length === 0) return undefined;
  return `Stand-ins built on this machine are in use for ${names.join(", ")}; npm run doctor says what each lacks.`;
}

/** @returns what was done, or why nothing was */
export const stopOwnEngine = async (context: ToolchainContext): Promise<string> =>
  (await stopEngine(context)).message;

/** @param plugins those that this stack needs beside the ones that every stack needs */
export const inspectTools = async (
  context: ToolchainContext,
  plugins: readonly CloudPlugin[],
  engine: "here" | "elsewhere",
): Promise<PartStatus[]> => {
  const tools = engine === "here" ? inspectToolchain(context) : inspectToolchain(context, partsWithoutEngine);
  return (await Promise.all([tools, inspectCloudPlugins(context, plugins)])).flat();
};

/** Looks for the images on the engine at `host`. */
export const inspectStackImages = (
  context: ToolchainContext,
  names: readonly string[],
  host: string,
): Promise<PartStatus[]> => inspectImages(context, names, host);
