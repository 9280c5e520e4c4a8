/** The one place where ops uses tools/find, which finds or makes the tools, the engine and the images. */
import { parseImageName, type ImageName } from "../../tools/build/images/names.ts";
import { resolveDockerHost, stopEngine } from "../../tools/find/engine/index.ts";
import { ensureImages, inspectImages } from "../../tools/find/images/index.ts";
import { ensureToolchain, inspectToolchain, type Toolchain } from "../../tools/find/index.ts";
import { inspectCloudPlugins, type CloudPlugin } from "../../tools/find/pulumi/plugin.ts";
import { createContext } from "../../tools/host/context.ts";
import type { PartStatus, Reporter, ToolchainContext } from "../../tools/host/part.ts";
import { createReporter } from "../../tools/host/report.ts";

export { parseImageName };
export type { CloudPlugin, ImageName, PartStatus, Toolchain, ToolchainContext };

/** For commands that only look: what a stand-in lacks is said when something is deployed with it, not here. */
function quiet(): Reporter {
  return { ...createReporter(), warn: () => undefined };
}

/** @param install false makes a missing part an error that says what to install. */
export const toolchainContext = (install: boolean, onlyLooking = false): ToolchainContext =>
  createContext({ install, ...(onlyLooking ? { report: quiet() } : {}) });

export const prepareTools = (context: ToolchainContext): Promise<Toolchain> => ensureToolchain(context);

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
): Promise<PartStatus[]> =>
  (await Promise.all([inspectToolchain(context), inspectCloudPlugins(context, plugins)])).flat();

/** Looks for the images on the engine at `host`. */
export const inspectStackImages = (
  context: ToolchainContext,
  names: readonly string[],
  host: string,
): Promise<PartStatus[]> => inspectImages(context, names, host);
