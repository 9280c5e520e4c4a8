/**
 * `npm run restart`: a new container for each replica of a workload, one at a time and the way Pulumi does it: the new
 * container becomes healthy, the edge is switched to it, the old one drains and leaves.
 */
import type { OutputMap } from "@pulumi/pulumi/automation/index.js";
import { REPLICA_LABEL, WORKLOAD_LABEL } from "../../infra/resources/labels.ts";
import { serviceName } from "../../infra/service-name.ts";
import { requireManager } from "../engine/nodes.ts";
import { rollService } from "../engine/services.ts";
import { taskTable } from "../engine/swarm-report.ts";
import {
  isGoodService,
  readSwarm,
  settledSwarm,
  type ServiceView,
  type SwarmView,
} from "../engine/swarm-view.ts";
import { servingBuild } from "../stack/audit.ts";
import { stackChanges } from "../stack/changes.ts";
import { deploy, prepare, summarise } from "../stack/deploy.ts";
import type { StackHandle } from "../stack/open-stack.ts";
import type { CommonOptions } from "../stack/place.ts";
import { runPreview, type Change } from "../stack/run.ts";
import { openSession, type Session } from "../stack/session.ts";
import { labelsOf, nameOf, resourcesOf, types, type State } from "../stack/state.ts";
import { say } from "../stack/this-process.ts";
import { currentOptions, knownConfig } from "../stack/use-version.ts";
import { rolledBackTo } from "../stack/versions.ts";
import { exit, OpsError } from "../terminal/errors.ts";
import { npmRun } from "../terminal/npm-run.ts";
import { paint, print } from "../terminal/output.ts";

export interface RestartOptions extends CommonOptions {
  readonly workload: string;
}

/** Pure: the replicas of a workload, in order and without those that wait for their deletion. */
export function replicaUrns(state: State, workload: string): string[] {
  return resourcesOf(state, types.container)
    .filter((resource) => resource.delete !== true && labelsOf(resource)[WORKLOAD_LABEL] === workload)
    .sort((left, right) => Number(labelsOf(left)[REPLICA_LABEL]) - Number(labelsOf(right)[REPLICA_LABEL]))
    .map(({ urn }) => urn);
}

/** Pure: the workloads that have a container in the state. */
export const workloadsOf = (state: State): string[] =>
  [
    ...new Set(
      resourcesOf(state, types.container)
        .map((resource) => labelsOf(resource)[WORKLOAD_LABEL])
        .filter((workload) => workload !== undefined),
    ),
  ].sort();

export async function restart(options: RestartOptions): Promise<void> {
  const session = await openSession(options, { create: false, lock: "restart" });
  const { docker, stack, audit, settings } = session;
  const changes = await stackChanges(docker, session);
  // A restart deploys no change of the sources, so it builds nothing.
  const config = knownConfig(session, rolledBackTo(changes)?.config) ?? settings.config;
  const state = await prepare(session, undefined, config);
  if (config.platform === "swarm") {
    audit?.note({ to: servingBuild(changes) });
    await restartService(session, options.workload);
    return;
  }
  const urns = replicaUrns(state, options.workload);
  if (urns.length === 0) {
    throw new OpsError(
      `Stack ${stack} has no workload "${options.workload}". It has: ${workloadsOf(state).join(", ") || "none"}.`,
      `Name one of them with --workload, or deploy the stack: ${npmRun("up", stack)}`,
      exit.usage,
    );
  }
  const pulumiOptions = currentOptions(session, changes);
  await refuseOtherChanges(session, pulumiOptions);
  audit?.note({ to: servingBuild(changes) });
  if (urns.length === 1)
    say(`${options.workload} has one container: if it owns a port or data, it is away while it is replaced.`);
  let outputs: OutputMap = {};
  for (const [index, urn] of urns.entries()) {
    print();
    print(paint("bold", `Restarting ${nameOf(urn)} (${index + 1} of ${urns.length})`));
    outputs = await deploy(session, {
      title: `restarting ${nameOf(urn)}`,
      options: pulumiOptions,
      refresh: false,
      replace: [urn],
    });
  }
  await summarise(session, outputs);
}

/** How long the tasks may take to run after the swarm has called its update complete, in seconds. */
const SETTLE_SECONDS = 60;

/** On a swarm, its own rolling update does what Pulumi does on one engine, and deploys nothing. @throws OpsError */
async function restartService({ docker, stack }: Session, workload: string): Promise<void> {
  const name = serviceName(stack, workload);
  await requireManager(docker);
  say(`A new task takes the place of each of ${name}, one after the other.`);
  const rolled = await rollService(docker, name);
  if (rolled === undefined) {
    const known = (await readSwarm(docker, stack)).services.map((service) => service.workload).join(", ");
    throw new OpsError(
      `Stack ${stack} has no workload "${workload}" on this swarm. It has: ${known || "none"}.`,
      `Name one of them with --workload, or deploy the stack: ${npmRun("up", stack)}`,
      exit.usage,
    );
  }
  if (!rolled.good) {
    throw new OpsError(
      `The restart of ${name} did not come through (${rolled.reason}). What served before goes on serving.`,
      `Its tasks say why: docker service ps --no-trunc ${name}`,
    );
  }
  const view = await settledSwarm(docker, stack, SETTLE_SECONDS);
  for (const line of taskTable({ ...view, services: view.services.filter((one) => one.name === name) }))
    print(line);
  const service = view.services.find((one) => one.name === name);
  if (service !== undefined && isGoodService(service)) {
    const kept = nodesThatKeep(view, service);
    if (kept.length === 0) return print(`Every task of ${name} is a new one, and healthy.`);
    throw new OpsError(
      `The tasks of ${name} on ${kept.join(", ")} are those of before: a node that is paused gets no new ones.`,
      `Have it take tasks again (docker node update --availability active NODE), and restart once more.`,
    );
  }
  throw new OpsError(
    `Every task of ${name} was replaced, and not all of them run.`,
    `See which: ${npmRun("status", stack)}; why: docker service ps --no-trunc ${name}`,
  );
}

/** Pure: the nodes whose tasks a rolling update leaves as they are. */
export const nodesThatKeep = ({ nodes }: SwarmView, { tasks }: ServiceView): string[] =>
  nodes
    .filter(
      ({ name, availability }) =>
        availability === "pause" && tasks.some(({ node, state }) => node === name && state === "running"),
    )
    .map(({ name }) => name);

/** A restart must not deploy other changes: those belong to `up`, which checks them and asks. @throws OpsError */
async function refuseOtherChanges(
  { stack, handle }: Session,
  options: StackHandle["options"],
): Promise<void> {
  const title = `checking that stack ${stack} is as the program declares it`;
  const { changes } = await runPreview(handle, { title, options });
  if (changes.length === 0) return;
  throw new OpsError(
    `Stack ${stack} is not as the program declares it, and a restart would deploy that too: ${describeChanges(changes)}.`,
    `Deploy it first: ${npmRun("up", stack)}`,
  );
}

/** Pure: at most six changes by name. A replacement is three steps of the engine and one change for a person. */
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
