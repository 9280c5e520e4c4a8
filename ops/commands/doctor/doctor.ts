/** `npm run doctor`: what the project needs on this machine, what is there, and what to do about the rest. */
import { existsSync, statfsSync } from "node:fs";
import { dirname } from "node:path";
import type Docker from "dockerode";
import { connect } from "../../engine/connection.ts";
import { engineOf, findPlace, ROOT, type CommonOptions } from "../../stack/place.ts";
import { checkPorts } from "../../stack/prechecks.ts";
import { secretReader } from "../../stack/session.ts";
import { imageNames, type KnownConfig } from "../../stack/settings.ts";
import {
  inspectStackImages,
  inspectTools,
  type CloudPlugin,
  type PartStatus,
} from "../../stack/toolchain.ts";
import { exit, explain, OpsError } from "../../terminal/errors.ts";
import { paint, print, printJson, table } from "../../terminal/output.ts";
import type { Finding } from "./cloud-api.ts";
import { inspectClouds } from "./clouds.ts";

const GIB = 1024 ** 3;
/** With less, the first `up` of a bare machine runs out of space, because it builds the Pulumi CLI. */
const COMFORTABLE_GIB = 15;
/** With less, nothing else fits either. */
const LEAST_GIB = 3;

export async function doctor(options: CommonOptions): Promise<void> {
  const place = findPlace(options, true);
  const { context, stack, settings } = place;
  const { config } = settings;
  const tools = await inspectTools(context, cloudPlugins(config));
  const host = await engineOf(place);
  const docker = connect(host, context.env);
  const engineIsThere = await docker.ping().then(
    () => true,
    () => false,
  );
  const findings: Finding[] = [ROOT, context.cacheDir].map(diskOf);
  if (engineIsThere) findings.push(await portsOf(docker, stack, config, host.startsWith("unix://")));
  findings.push(...(await inspectClouds(config, process.env, secretReader(options), stack)));
  const images = engineIsThere ? await inspectStackImages(context, imageNames(config), host) : [];
  const parts = [...tools, ...images];

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
