/**
 * The toolchain: what a stack needs on this machine besides the repository. `ensureToolchain` provides it and returns
 * the environment for Pulumi; `inspectToolchain` only looks. images/index.ts does the same for images.
 */
import { availableParallelism } from "node:os";
import { delimiter, join } from "node:path";
import { REPOSITORY_ROOT } from "../host/context.ts";
import { ToolchainError, type Part, type PartStatus, type ToolchainContext, type Way } from "../host/part.ts";
import { binFolder } from "./bin-folder.ts";
import { enginePart } from "./engine/index.ts";
import { canDownload } from "./network.ts";
import { nodePart } from "./node.ts";
import { installationRoot, pulumiPart } from "./pulumi/cli.ts";
import { languagePart } from "./pulumi/language.ts";
import type { Plan, PulumiPart } from "./pulumi/part.ts";
import { PLUGIN_PARTS } from "./pulumi/plugin.ts";

export { createContext } from "../host/context.ts";
export { createReporter } from "../host/report.ts";

/** What a stack is deployed with. */
export interface Toolchain {
  /** A complete environment for a child process. */
  readonly env: Readonly<Record<string, string>>;
  readonly pulumi: {
    readonly command: string;
    /** For PulumiCommand.get({ root }). Undefined when the CLI is not in a folder named bin. */
    readonly root?: string;
    readonly version: string;
    readonly way: Way;
  };
  readonly statuses: readonly PartStatus[];
}

/** The parts, in the order in which they are provided. */
export interface ToolchainParts {
  readonly pulumi: readonly PulumiPart[];
  readonly others: readonly Part[];
}

const allParts: ToolchainParts = {
  pulumi: [pulumiPart, languagePart, ...PLUGIN_PARTS],
  others: [nodePart, enginePart],
};

/**
 * For a stack whose engine is behind SSH: nothing is looked for, started or installed here in its place. Once there is a
 * way to it, it is judged like any other (`enginePart`).
 */
export const partsWithoutEngine: ToolchainParts = { ...allParts, others: [nodePart] };

/** Looks at every part, and changes nothing. */
export async function inspectToolchain(context: ToolchainContext, parts = allParts): Promise<PartStatus[]> {
  return await Promise.all([...parts.others, ...parts.pulumi].map((part) => part.inspect(context)));
}

/** Provides every part. With `install: false` a missing part is an error that lists all missing ones. */
export async function ensureToolchain(context: ToolchainContext, parts = allParts): Promise<Toolchain> {
  const found = await inspectToolchain(context, parts);
  const missing = found.filter((status) => status.way === "missing");
  if (missing.length > 0) {
    if (!context.install) throw missingError(missing);
    await announce(context, parts, found);
  }
  // Nothing is missing, but the engine may be stopped: only `ensure` starts it.
  const statuses =
    missing.length > 0 ? await ensureInOrder(context, parts) : await ensureEngine(context, parts, found);
  // Said only when one is built. Later `npm run up` names the stand-ins, and `npm run doctor` says what each lacks.
  for (const { name, limits } of missing.length > 0 ? statuses : []) {
    for (const limit of limits ?? []) context.report.warn(`${name} was built here as a stand-in: ${limit}.`);
  }
  return await assemble(context, statuses);
}

async function ensureInOrder(context: ToolchainContext, parts: ToolchainParts): Promise<PartStatus[]> {
  const statuses: PartStatus[] = [];
  // One after the other, so that progress stays readable. A Go build uses all cores by itself.
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

/** Says once, before anything changes, what will be installed and how long that takes. */
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
  const intoSystem = statusOf(enginePart)?.way === "missing" ? " (but the engine into the system)" : "";
  context.report.say(
    [
      "This machine lacks parts of the toolchain. This is done now, once:",
      ...plans.map((plan) => `  - ${plan.what}`),
      `It takes about ${minutes} min, and everything goes into ${context.cacheDir}${intoSystem}.`,
    ].join("\n"),
  );
}

function missingError(missing: readonly PartStatus[]): ToolchainError {
  const list = missing.map((status) => `    ${status.name}: ${status.remedy ?? "install it"}`).join("\n");
  return new ToolchainError(
    `Parts of the toolchain are missing, and --no-install forbids installing them:\n${list}`,
    "Install them, or run the same command without --no-install.",
  );
}

async function assemble(context: ToolchainContext, statuses: PartStatus[]): Promise<Toolchain> {
  const cli = statuses.find((status) => status.name === pulumiPart.name);
  if (!cli?.location || !cli.version) {
    throw new ToolchainError(
      "The Pulumi CLI is still missing after everything was installed.",
      "Run `npm run doctor` to see why.",
    );
  }
  const standIns = await binFolder(context, statuses);
  const path = [
    join(REPOSITORY_ROOT, "node_modules", ".bin"),
    standIns,
    // A downloaded CLI is not on PATH. Its language host is beside it.
    cli.way === "downloaded" ? join(cli.location, "..") : undefined,
    context.env.PATH,
  ];
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(context.env)) if (value !== undefined) env[name] = value;
  env.PATH = path.filter((entry) => entry).join(delimiter);
  env.PULUMI_SKIP_UPDATE_CHECK = "true";
  // The plugins of that folder are only found on PATH, so a user's setting against that is dropped.
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
