/**
 * `npm run restart`: a new container for each replica of a workload, one at a time and by Pulumi's own path: the new
 * one is created and healthy, the edge is switched to it, the old one drains and goes.
 */
import type { OutputMap } from "@pulumi/pulumi/automation/index.js";
import { readChanges, servingBuild } from "../stack/audit.ts";
import { LABELS } from "../engine/containers.ts";
import { EXIT, OpsError } from "../terminal/errors.ts";
import { paint, print } from "../terminal/output.ts";
import { runPulumi, type Change } from "../stack/run.ts";
import { signals, openSession, say, type CommonOptions, type Session } from "../stack/session.ts";
import type { StackHandle } from "../stack/open-stack.ts";
import { labelsOf, nameOf, resourcesOf, TYPES, type State } from "../stack/state.ts";
import { deploy, prepare, summarise } from "./up.ts";
import { currentOptions } from "../stack/versions.ts";

export interface RestartOptions extends CommonOptions {
  readonly workload: string;
}

/** Pure: the replicas of a workload, in order; those that wait for their deletion are not among them. */
export function replicaUrns(state: State, workload: string): string[] {
  return resourcesOf(state, TYPES.container)
    .filter((resource) => resource.delete !== true && labelsOf(resource)[LABELS.workload] === workload)
    .sort((left, right) => Number(labelsOf(left)[LABELS.replica]) - Number(labelsOf(right)[LABELS.replica]))
    .map(({ urn }) => urn);
}

/** Pure: the workloads that have a container in the state. */
export const workloadsOf = (state: State): string[] =>
  [
    ...new Set(
      resourcesOf(state, TYPES.container)
        .map((resource) => labelsOf(resource)[LABELS.workload])
        .filter((workload) => workload !== undefined),
    ),
  ].sort();

export async function restart(options: RestartOptions): Promise<void> {
  const session = await openSession(options, { create: false, lock: "restart" });
  const state = await prepare(session);
  const urns = replicaUrns(state, options.workload);
  if (urns.length === 0) {
    throw new OpsError(
      `Stack ${session.stack} has no workload "${options.workload}". It has: ${workloadsOf(state).join(", ") || "none"}.`,
      "Name one of them with --workload, or deploy the stack: npm run up",
      EXIT.usage,
    );
  }
  const pulumiOptions = currentOptions(session);
  await refuseOtherChanges(session, pulumiOptions);
  session.audit?.note({ to: servingBuild(readChanges(session.backend.stateDir, session.stack)) });
  if (urns.length === 1)
    say(`${options.workload} has one container: where it owns a port or data, it is away while it restarts.`);
  let outputs: OutputMap = {};
  for (const [index, urn] of urns.entries()) {
    print();
    print(paint("bold", `Restarting ${nameOf(urn)} (${index + 1} of ${urns.length})`));
    outputs = await deploy(session, pulumiOptions, false, `restarting ${nameOf(urn)}`, [urn]);
  }
  await summarise(session, outputs);
}

/** A restart is no way to deploy: what else has changed is deployed by `up`, with its checks and its question. */
async function refuseOtherChanges(
  { stack, handle }: Session,
  options: StackHandle["options"],
): Promise<void> {
  const { events } = await runPulumi({
    title: `checking that stack ${stack} is as the program declares it`,
    signals,
    options,
    show: false,
    run: (run) => handle.program.preview({ ...run }),
  });
  if (events.changes.length === 0) return;
  throw new OpsError(
    `Stack ${stack} is not as the program declares it, and a restart would deploy that too: ${describeChanges(events.changes)}.`,
    `Deploy it first: npm run up${stack === "dev" ? "" : ` -- --stack ${stack}`}`,
  );
}

/** Pure: at most six changes by name. A replacement is three steps of the engine, and one change for a person. */
export function describeChanges(changes: readonly Change[]): string {
  const words = new Map<string, string>();
  for (const { op, urn, type } of changes) {
    const plain = /replac/.test(op) ? "replace" : op;
    if (words.get(urn)?.startsWith("replace") !== true) {
      words.set(urn, `${plain} ${type.slice(type.lastIndexOf(":") + 1)} ${nameOf(urn)}`);
    }
  }
  const list = [...words.values()];
  return list.length > 6 ? `${list.slice(0, 6).join(", ")} and ${list.length - 6} more` : list.join(", ");
}
