/**
 * `npm run drift`: whether what runs is what is declared. It compares the engine with the state, because the provider does
 * not read everything back, and then asks Pulumi for a preview after a refresh. It changes nothing
 * (docs/decisions/0024-drift-looks-first.md).
 */
import type Docker from "dockerode";
import { certificateEnd, certificateLine } from "../../engine/certificate.ts";
import { findMonitoring, importMetrics } from "../../engine/monitoring.ts";
import { lastGoodDeploy } from "../../stack/changes.ts";
import { checkToJudge } from "../../stack/identity.ts";
import { exportState, type StackHandle } from "../../stack/open-stack.ts";
import type { CommonOptions } from "../../stack/place.ts";
import { runPreview, type Change } from "../../stack/run.ts";
import { openSession } from "../../stack/session.ts";
import { failedResources, nameOf } from "../../stack/state.ts";
import { signals } from "../../stack/this-process.ts";
import { exit, OpsError } from "../../terminal/errors.ts";
import { npmRun } from "../../terminal/npm-run.ts";
import { note, paint, print, printJson, table } from "../../terminal/output.ts";
import { compareWithEngine } from "./compare.ts";
import type { Difference } from "./facts.ts";

/** What `pulumi preview --refresh` would change, one entry for each resource. */
async function preview(stack: string, handle: StackHandle): Promise<readonly Change[]> {
  const { changes } = await runPreview(handle, {
    title: `looking for drift of stack ${stack}`,
    refresh: true,
  });
  const seen = new Map<string, Change>();
  for (const change of changes) if (!seen.has(change.urn)) seen.set(change.urn, change);
  return [...seen.values()];
}

export async function drift(options: CommonOptions): Promise<void> {
  const session = await openSession(options, { create: false, judges: true });
  const { stack, docker, dockerHost, handle, settings } = session;
  signals.begin({ title: `comparing the containers of stack ${stack}` });
  const state = await exportState(handle);
  const served = await lastGoodDeploy(docker, session);
  // What another engine has says nothing of the stack, and what is lost is not brought back by `up`.
  await checkToJudge({
    ...{ docker, dockerHost, stack, state, served },
    offsite: settings.config.offsiteBucket,
  }).catch(async (error: unknown) => {
    // Data that is lost is drift, and somebody is told of it as of any other.
    if (error instanceof OpsError && error.exitCode === exit.drift) {
      await tellDrift(docker, stack, 1).catch(() => undefined);
      if (options.json) printJson({ stack, good: false, lost: error.message });
    }
    throw error;
  });
  const failed = failedResources(state).map((resource) => nameOf(resource.urn));
  const differences = await compareWithEngine(docker, stack, state);
  const changes = await preview(stack, handle);
  const certificate = certificateEnd(await handle.state.outputs());
  const expiring = certificate !== undefined && certificate.nearness !== "soon";
  const found = changes.length + failed.length + differences.length;
  const good = found === 0 && !expiring;
  // Whoever looks tells the monitoring too. One that does not run is told of nothing.
  await tellDrift(docker, stack, found).catch(() => undefined);
  if (options.json) {
    printJson({
      stack,
      good,
      changes: changes.map(({ op, urn }) => ({ op, name: nameOf(urn) })),
      failed,
      differences,
      certificate,
    });
  } else {
    printDrift(stack, changes, failed, differences);
    if (certificate !== undefined) note(`  ${certificateLine(certificate, stack, process.stderr)}`);
  }
  if (good) {
    if (!options.json) print(`Stack ${stack} runs as it is declared.`);
    return;
  }
  if (expiring && changes.length + failed.length + differences.length === 0) {
    throw new OpsError(
      `Stack ${stack} runs as it is declared, but its certificate ends soon.`,
      "The line above says what to do.",
      exit.drift,
    );
  }
  throw new OpsError(
    `Stack ${stack} does not run as it is declared.`,
    changes.length > 0
      ? `\`${npmRun("up", stack)}\` brings back what is declared.`
      : `Pulumi does not see these differences. \`${npmRun("restart", stack, "--workload", "NAME")}\` makes new containers.`,
    exit.drift,
  );
}

async function tellDrift(docker: Docker, stack: string, found: number): Promise<void> {
  const room = await findMonitoring(docker, stack);
  if (room !== undefined) await importMetrics(docker, room, [`omniai_drift_differences ${found}`]);
}

function printDrift(
  stack: string,
  changes: readonly Change[],
  failed: readonly string[],
  differences: readonly Difference[],
): void {
  if (changes.length > 0) {
    print(paint("bold", `What \`${npmRun("up", stack)}\` would change`));
    for (const line of table(
      changes.map(({ op, urn, properties }) => [op, nameOf(urn), (properties ?? []).join(", ")]),
    ))
      print(line);
  }
  for (const name of failed)
    note(`  ${name} never got healthy; the next \`${npmRun("up", stack)}\` replaces it.`);
  if (differences.length > 0) {
    print(paint("bold", "What differs on the engine from what was declared"));
    for (const line of table(
      differences.map(({ of, fact, declared, live }) => [of, fact, `${live}, declared: ${declared}`]),
    ))
      print(line);
  }
}
