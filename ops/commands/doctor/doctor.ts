/** `npm run doctor`: what the project needs on this machine, what is there, and what to do about the rest. */
import { existsSync, statfsSync } from "node:fs";
import { dirname } from "node:path";
import type Docker from "dockerode";
import {
  findPlace,
  ROOT,
  whereIsEngine,
  type CommonOptions,
  type Engine,
  type Place,
} from "../../stack/place.ts";
import { PLATFORM_REMEDY, whyNoProgram } from "../../stack/platform.ts";
import { checkIpv6 } from "../../stack/ipv6.ts";
import { checkPorts } from "../../stack/prechecks.ts";
import { openEngine } from "../../stack/look.ts";
import { openSession, secretReader } from "../../stack/session.ts";
import { exportState } from "../../stack/open-stack.ts";
import { imageNames, type KnownConfig } from "../../stack/settings.ts";
import { resourcesOf } from "../../stack/state.ts";
import {
  describeDiskSpace,
  engineDisk,
  inspectEngine,
  inspectStackImages,
  inspectTools,
  judgeDiskSpace,
  type CloudPlugin,
  type DiskSpace,
  type PartStatus,
} from "../../stack/toolchain.ts";
import { exit, explain, OpsError } from "../../terminal/errors.ts";
import { paint, print, printJson, table } from "../../terminal/output.ts";
import type { Finding } from "./cloud-api.ts";
import { inspectClouds } from "./clouds.ts";
import { checkCodeOwners } from "./code-owners.ts";
import { inspectExternal } from "./external.ts";
import type { HasType } from "./github.ts";
import { inspectNodes } from "./nodes.ts";

const GIB = 1024 ** 3;
/** With less, the first `up` of a bare machine runs out of space, because it builds the Pulumi CLI. */
const COMFORTABLE_GIB = 15;
/** With less, nothing else fits either. */
const LEAST_GIB = 3;

export async function doctor(options: CommonOptions): Promise<void> {
  const place = findPlace(options, true);
  const { context, stack, settings } = place;
  const { config } = settings;
  const where = await whereIsEngine(place);
  const tools = await inspectTools(context, cloudPlugins(config), where);
  const findings: Finding[] = [ROOT, context.cacheDir].map(diskOf);
  const engine = await openEngine(place, options).catch((error: unknown) => {
    // That this machine's own is not there is among the tools, with what can be done about it.
    if (where === "elsewhere") findings.push(unreached(error));
    return undefined;
  });
  const onEngine = engine === undefined ? [] : await partsOf(place, engine, where);
  if (engine !== undefined) findings.push(...engineDiskOf(await engineDisk(reaching(place, engine))));
  if (engine !== undefined)
    findings.push(await portsOf(engine.docker, stack, config, engine.dockerHost.startsWith("unix://")));
  if (engine !== undefined && config.platform === "swarm")
    findings.push(...(await inspectNodes(engine.docker, stack)));
  findings.push(systemOf(process.platform), checkCodeOwners(ROOT));
  findings.push(
    ...(await inspectClouds(config, process.env, secretReader(options), stack, typeReader(options))),
  );
  findings.push(...(await inspectExternal(config, secretReader(options))));
  const parts = [...tools, ...onEngine];

  const missing = parts.filter(({ way }) => way === "missing");
  const bad = findings.filter(({ good }) => !good);
  const good = missing.length === 0 && bad.length === 0;
  if (options.json) printJson({ good, parts, findings });
  else printDoctor(parts, findings);
  if (good) return;
  throw new OpsError(
    `Not ready: ${[...missing, ...bad].map(({ name }) => name).join(", ")}.`,
    missing.length > 0
      ? "`npm run up` installs what is missing; with --no-install it says what to install and stops."
      : "The remedies are above.",
    exit.failed,
  );
}

/** Reads which types the stack's state has; undefined where there is no state, or it cannot be read here. */
const typeReader =
  (options: CommonOptions): HasType =>
  async (type) => {
    try {
      const { handle } = await openSession(options, { create: false, onlyLooking: true });
      return resourcesOf(await exportState(handle), type).length > 0;
    } catch {
      return undefined;
    }
  };

/** Pure: whether this system can deploy at all. */
export const systemOf = (platform: NodeJS.Platform): Finding => {
  const why = whyNoProgram(platform);
  return {
    name: "system",
    good: why === undefined,
    detail: why ?? platform,
    ...(why === undefined ? {} : { remedy: PLATFORM_REMEDY }),
  };
};

function unreached(error: unknown): Finding {
  const { what, remedy } = explain(error);
  return { name: "engine", good: false, detail: what, remedy };
}

/** What is on the engine: its own age, where that was not judged with the tools, and the images. */
async function partsOf(place: Place, engine: Engine, where: "here" | "elsewhere"): Promise<PartStatus[]> {
  const context = reaching(place, engine);
  const names = imageNames(place.stack, place.settings.config);
  return [
    ...(where === "elsewhere" ? [await inspectEngine(context)] : []),
    ...(await inspectStackImages(context, names, engine.dockerHost)),
  ];
}

const reaching = ({ context }: Place, { withEngine }: Engine): Place["context"] => ({
  ...context,
  env: withEngine(context.env),
});

/** Pure: the disk on which the stack's images and data are, by the same measure that `up` takes. Nothing where nobody can tell. */
export function engineDiskOf(space: DiskSpace | undefined): Finding[] {
  if (space === undefined) return [];
  const problem = describeDiskSpace(space);
  return [
    {
      name: "disk of the engine",
      good: judgeDiskSpace(space.freeBytes) !== "too little",
      detail: problem?.what ?? `${(space.freeBytes / GIB).toFixed(1)} GiB free on the disk of ${space.path}`,
      ...(problem && { remedy: problem.remedy }),
    },
  ];
}

/** Pure: the plugins that this stack needs and others do not. */
export const cloudPlugins = ({ tunnelEnabled, pagesEnabled }: KnownConfig): CloudPlugin[] => [
  ...(tunnelEnabled ? (["cloudflare"] as const) : []),
  ...(pagesEnabled ? (["github"] as const) : []),
];

/** The folder itself or the first one above it that exists: the cache may not be there yet. */
function existingFolder(folder: string): string {
  const above = dirname(folder);
  return existsSync(folder) || above === folder ? folder : existingFolder(above);
}

function diskOf(folder: string): Finding {
  const { bavail, bsize } = statfsSync(existingFolder(folder));
  const free = (bavail * bsize) / GIB;
  return {
    name: `disk of ${folder}`,
    good: free >= LEAST_GIB,
    detail: `${free.toFixed(1)} GiB free`,
    remedy:
      free >= COMFORTABLE_GIB
        ? undefined
        : `Free space: building the tools on a bare machine needs ${COMFORTABLE_GIB} GiB.`,
  };
}

async function portsOf(
  docker: Docker,
  stack: string,
  config: KnownConfig,
  engineIsLocal: boolean,
): Promise<Finding> {
  try {
    await checkIpv6(docker, stack, config);
    await checkPorts(docker, stack, config, engineIsLocal);
    return {
      name: "ports",
      good: true,
      detail: `those of stack ${stack} are free, or its own edge has them`,
    };
  } catch (error) {
    const { what, remedy } = explain(error);
    return { name: "ports", good: false, detail: what, remedy };
  }
}

const ways: Readonly<Record<PartStatus["way"], string>> = {
  path: "was here",
  downloaded: "downloaded",
  built: "built here",
  missing: "missing",
};

function printDoctor(parts: readonly PartStatus[], findings: readonly Finding[]): void {
  const mark = (good: boolean): string => paint(good ? "green" : "red", good ? "✓" : "✗");
  const rows = [
    ...parts.map(({ name, version, way, location }) => [
      mark(way !== "missing"),
      name,
      version ?? "",
      ways[way],
      location ?? "",
    ]),
    ...findings.map(({ name, good, detail }) => [mark(good), name, "", "", detail]),
  ];
  for (const line of table(rows)) print(line);
  const remarks = [
    ...parts.flatMap(({ name, remedy, limits }) => [
      ...(remedy === undefined ? [] : [`${name}: ${remedy}`]),
      ...(limits ?? []).map((limit) => `${name}: ${limit}`),
    ]),
    ...findings.flatMap(({ name, good, remedy }) =>
      good || remedy === undefined ? [] : [`${name}: ${remedy}`],
    ),
  ];
  if (remarks.length > 0) print();
  for (const remark of remarks) print(`  ${paint("yellow", remark)}`);
}
