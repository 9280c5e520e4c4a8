/** `npm run doctor`: what the project needs on this machine. Looks and changes nothing. */
import fs from "node:fs";
import type { Finding } from "./github.ts";
import { inspectClouds } from "./clouds.ts";
import { connect } from "../../engine/containers.ts";
import { EXIT, explain, OpsError } from "../../terminal/errors.ts";
import { paint, print, printJson, table } from "../../terminal/output.ts";
import { checkPorts } from "../../stack/prechecks.ts";
import { findPlace, readSecretOf, ROOT, type CommonOptions } from "../../stack/session.ts";
import { imageNames, textOf } from "../../stack/settings.ts";
import { dockerHostOf, inspectStackImages, inspectTools, type PartStatus } from "../../stack/toolchain.ts";

/** Below this the first `up` of a bare machine, which builds the Pulumi CLI, runs out of space. */
const COMFORTABLE_BYTES = 15 * 1024 ** 3;

export async function doctor(options: CommonOptions): Promise<void> {
  const { context, settings, stack } = findPlace(options, true);
  const tools = await inspectTools(context);
  const host = textOf(settings.values, "dockerHost") ?? (await dockerHostOf(context));
  const engineIsThere = await connect(host)
    .ping()
    .then(
      () => true,
      () => false,
    );
  const findings: Finding[] = disk([ROOT, context.cacheDir]);
  if (engineIsThere) findings.push(await ports(stack, settings.values, host));
  findings.push(...(await inspectClouds(settings.values, process.env, readSecretOf(options), stack)));
  const images = engineIsThere ? await inspectStackImages(context, imageNames(settings.values), host) : [];
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
      ? "`npm run up` installs what is missing; with --no-install it says what and stops."
      : "The remedies are above.",
    EXIT.failed,
  );
}

/** The first folder above that exists: the cache may not be there yet. */
function existing(folder: string): string {
  let at = folder;
  while (!fs.existsSync(at) && at !== "/") at = at.slice(0, at.lastIndexOf("/")) || "/";
  return at;
}

function disk(folders: readonly string[]): Finding[] {
  return folders.map((folder) => {
    const { bavail, bsize } = fs.statfsSync(existing(folder));
    const free = bavail * bsize;
    return {
      name: `disk of ${folder}`,
      good: free >= COMFORTABLE_BYTES / 5,
      detail: `${(free / 1024 ** 3).toFixed(1)} GiB free`,
      remedy:
        free >= COMFORTABLE_BYTES
          ? undefined
          : `Building the tools on a bare machine wants ${COMFORTABLE_BYTES / 1024 ** 3} GiB free.`,
    };
  });
}

async function ports(
  stack: string,
  values: Readonly<Record<string, unknown>>,
  host: string,
): Promise<Finding> {
  try {
    await checkPorts(connect(host), stack, values, host.startsWith("unix://"));
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

const WAYS: Readonly<Record<PartStatus["way"], string>> = {
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
      WAYS[way],
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
