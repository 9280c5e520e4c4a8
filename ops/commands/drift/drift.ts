/**
 * `npm run drift`: whether what runs is what is declared. Pulumi's own look (a preview after a refresh) and, for what
 * the provider does not read back, ours at the engine, which comes first (docs/decisions/0024). Changes nothing.
 */
import { EXIT, OpsError } from "../../terminal/errors.ts";
import { note, paint, print, printJson, table } from "../../terminal/output.ts";
import { runPulumi, type Change } from "../../stack/run.ts";
import { signals, openSession, type CommonOptions } from "../../stack/session.ts";
import { exportState, type StackHandle } from "../../stack/open-stack.ts";
import { failedResources, nameOf } from "../../stack/state.ts";
import type { Difference } from "./facts.ts";
import { look } from "./compare.ts";

/** What `pulumi preview --refresh` would change, one entry per resource. */
async function preview(stack: string, handle: StackHandle): Promise<readonly Change[]> {
  const { events } = await runPulumi({
    title: `looking for drift of stack ${stack}`,
    signals,
    options: handle.options,
    show: false,
    run: (run) => handle.program.preview({ ...run, refresh: true }),
  });
  const seen = new Map<string, Change>();
  for (const change of events.changes) if (!seen.has(change.urn)) seen.set(change.urn, change);
  return [...seen.values()];
}

export async function drift(options: CommonOptions): Promise<void> {
  const { stack, docker, handle } = await openSession(options, { create: false });
  signals.begin({ title: `comparing the containers of stack ${stack}` });
  const state = await exportState(handle);
  const failed = failedResources(state).map((resource) => nameOf(resource.urn));
  const differences = await look(docker, stack, state);
  const changes = await preview(stack, handle);
  const good = changes.length + failed.length + differences.length === 0;
  if (options.json) {
    printJson({
      stack,
      good,
      changes: changes.map(({ op, urn }) => ({ op, name: nameOf(urn) })),
      failed,
      differences,
    });
  } else {
    printDrift(changes, failed, differences);
  }
  if (good) {
    if (!options.json) print(`Stack ${stack} runs as it is declared.`);
    return;
  }
  throw new OpsError(
    `Stack ${stack} does not run as it is declared.`,
    changes.length > 0
      ? "`npm run up` brings back what is declared."
      : "Pulumi does not see these differences: `npm run restart -- --workload NAME` makes the containers anew.",
    EXIT.drift,
  );
}

function printDrift(
  changes: readonly Change[],
  failed: readonly string[],
  differences: readonly Difference[],
): void {
  if (changes.length > 0) {
    print(paint("bold", "What `npm run up` would change"));
    for (const line of table(
      changes.map(({ op, urn, properties }) => [op, nameOf(urn), (properties ?? []).join(", ")]),
    ))
      print(line);
  }
  for (const name of failed) note(`  ${name} never got healthy; the next \`npm run up\` replaces it.`);
  if (differences.length > 0) {
    print(paint("bold", "What the engine has, and was not declared so"));
    for (const line of table(
      differences.map(({ of, fact, declared, live }) => [of, fact, `${live}, declared: ${declared}`]),
    ))
      print(line);
  }
}
