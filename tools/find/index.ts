/**
 * The toolchain: all that a stack needs on this machine besides the repository. `ensureToolchain` makes it be here and
 * gives the environment to run Pulumi in; `inspectToolchain` only looks. Images are a matter of images/index.ts.
 */
import { availableParallelism } from "node:os";
import { delimiter, join } from "node:path";
import { repositoryRoot } from "../host/context.ts";
import { ToolchainError, type Part, type PartStatus, type ToolchainContext, type Way } from "../host/part.ts";
import { binFolder } from "./bin-folder.ts";
import { enginePart } from "./engine/index.ts";
import { canDownload } from "./network.ts";
import { nodePart } from "./node.ts";
import { installationRoot, pulumiPart } from "./pulumi/cli.ts";
import { languagePart } from "./pulumi/language.ts";
import type { Plan, PulumiPart } from "./pulumi/part.ts";
import { pluginParts } from "./pulumi/plugin.ts";

export { createContext } from "../host/context.ts";
export { createReporter } from "../host/report.ts";

/** What a stack is deployed with. */
export interface Toolchain {
  /** A whole environment for a child process, or to be merged into this one. */
  readonly env: Readonly<Record<string, string>>;
  readonly pulumi: {
    readonly command: string;
    /** For PulumiCommand.get({ root }); undefined when the CLI does not lie in a folder named bin. */
    readonly root?: string;
    readonly version: string;
    readonly way: Way;
  };
  readonly statuses: readonly PartStatus[];
}

/** The parts, in the order in which they are made. */
export interface ToolchainParts {
  readonly pulumi: readonly PulumiPart[];
  readonly others: readonly Part[];
}

const allParts: ToolchainParts = {
  pulumi: [pulumiPart, languagePart, ...pluginParts],
  others: [nodePart, enginePart],
};

/** Looks at every part, changes nothing. */
export async function inspectToolchain(context: ToolchainContext, parts = allParts): Promise<PartStatus[]> {
  return await Promise.all([...parts.others, ...parts.pulumi].map((part) => part.inspect(context)));
}

/** Makes every part be here. With `install: false` a missing part is an error that lists all that are missing. */
export async function ensureToolchain(context: ToolchainContext, parts = allParts): Promise<Toolchain> {
  const found = await inspectToolchain(context, parts);
  const missing = found.filter((status) => status.way === "missing");
  if (missing.length > 0) {
    if (!context.install) throw missingError(missing);
    await announce(context, parts, found);
  }
  // A part that is here costs one more look; an engine that is here but stopped is started by its own ensure.
  const statuses =
    missing.length > 0 ? await ensureInOrder(context, parts) : await ensureEngine(context, parts, found);
  // Said when it is built; afterwards `npm run up` names the stand-ins, and `npm run doctor` what each lacks.
  for (const { name, limits } of missing.length > 0 ? statuses : []) {
    for (const limit of limits ?? []) context.report.warn(`${name} was built here as a stand-in: ${limit}.`);
  }
  return await assemble(context, statuses);
}

async function ensureInOrder(context: ToolchainContext, parts: ToolchainParts): Promise<PartStatus[]> {
  const statuses: PartStatus[] = [];
  // One after the other: each step's progress stays readable, and a Go build keeps all cores busy by itself.
  for (const part of [...parts.others, ...parts.pulumi]) statuses.push(await part.ensure(context));
  return statuses;
}

async function ensureEngine(
  context: ToolchainContext,
  parts: ToolchainParts,
  found: readonly PartStatus[],
): Promise<PartStatus[]> {
  const others = await Promise.all(parts.others.map((part) => part.ensure(context)));
  return [...others, ...found.slice(parts.others.length)];
}

/** Says once, before anything is changed, all that will be installed, and how long that takes. */
async function announce(
  context: ToolchainContext,
  parts: ToolchainParts,
  found: readonly PartStatus[],
): Promise<void> {
  const statusOf = (part: Part): PartStatus =>
    found[[...parts.others, ...parts.pulumi].indexOf(part)] as PartStatus;
  const official = await canDownload(context.env);
  const plans: Plan[] = [];
  for (const part of parts.others) {
    if (statusOf(part)?.way === "missing") plans.push({ what: `install and start ${part.name}`, minutes: 2 });
  }
  for (const part of parts.pulumi) {
    const status = statusOf(part);
    const plan = status && (await part.plan(context, status, official));
    if (plan) plans.push(plan);
  }
  if (plans.length === 0) return;
  const cores = Math.min(4, availableParallelism());
  const minutes = Math.max(
    1,
    Math.round((plans.reduce((sum, plan) => sum + plan.minutes, 0) * 2) / Math.max(2, cores)),
  );
  const intoSystem = statusOf(enginePart)?.way === "missing" ? " (the engine: into the system)" : "";
  context.report.say(
    [
      "This machine lacks parts of the toolchain. To be done now, once:",
      ...plans.map((plan) => `  - ${plan.what}`),
      `It takes about ${minutes} min here, and goes into ${context.cacheDir}${intoSystem}.`,
    ].join("\n"),
  );
}

function missingError(missing: readonly PartStatus[]): ToolchainError {
  const list = missing.map((status) => `    ${status.name}: ${status.remedy ?? "install it"}`).join("\n");
  return new ToolchainError(
    `Parts of the toolchain are missing, and --no-install was given:\n${list}`,
    "Install them, or run the same command without --no-install: it does what is possible here by itself.",
  );
}

async function assemble(context: ToolchainContext, statuses: PartStatus[]): Promise<Toolchain> {
  const cli = statuses.find((status) => status.name === pulumiPart.name);
  if (!cli?.location || !cli.version) {
    throw new ToolchainError("The Pulumi CLI is still missing after all was done.", "Run `npm run doctor`.");
  }
  const standIns = await binFolder(context, statuses);
  const path = [
    join(repositoryRoot, "node_modules", ".bin"),
    standIns,
    // A downloaded CLI is in nobody's PATH, and brings its language host.
    cli.way === "downloaded" ? join(cli.location, "..") : undefined,
    context.env.PATH,
  ];
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(context.env)) if (value !== undefined) env[name] = value;
  env.PATH = path.filter((entry) => entry).join(delimiter);
  env.PULUMI_SKIP_UPDATE_CHECK = "true";
  // A person may have set this; the plugins that were built here are found on PATH alone.
  if (standIns) delete env.PULUMI_IGNORE_AMBIENT_PLUGINS;
  return {
    env,
    pulumi: {
      command: cli.location,
      root: installationRoot(cli.location),
      version: cli.version,
      way: cli.way,
    },
    statuses,
  };
}
