/**
 * `npm run health`: exits 0 only if every container of the stack is healthy; on a swarm, if every service has its tasks and
 * every node answers. It asks the engine and needs no Pulumi.
 */
import type Docker from "dockerode";
import { isGood, listContainers, type ContainerView } from "../engine/containers.ts";
import { healthTable } from "../engine/health-report.ts";
import { explainSwarm, nodeTable, serviceTable, swarmForJson, taskTable } from "../engine/swarm-report.ts";
import { isGoodSwarm, problemsOf, readSwarm } from "../engine/swarm-view.ts";
import { findPlace, type CommonOptions } from "../stack/place.ts";
import { openEngine } from "../stack/look.ts";
import { OpsError } from "../terminal/errors.ts";
import { npmRun } from "../terminal/npm-run.ts";
import { indented, print, printJson } from "../terminal/output.ts";

export async function health(options: CommonOptions): Promise<void> {
  const place = findPlace(options);
  const { stack } = place;
  const { docker } = await openEngine(place, options);
  if (place.settings.config.platform === "swarm") return healthOfSwarm(docker, stack, options.json === true);
  const views = await listContainers(docker, stack);
  const bad = views.filter((view) => !isGood(view));
  if (options.json) {
    const healthy = views.length > 0 && bad.length === 0;
    printJson({ stack, healthy, containers: views.map(forJson) });
  } else {
    printHealth(views, bad);
  }
  if (views.length === 0) {
    throw new OpsError(
      `Stack ${stack} has no container on this engine.`,
      `Deploy it: ${npmRun("up", stack)}`,
    );
  }
  if (bad.length > 0) {
    throw new OpsError(
      `Not healthy: ${bad.map(({ name }) => name).join(", ")}.`,
      `Look at their logs (${npmRun("logs", stack, "WORKLOAD")}); \`${npmRun("up", stack)}\` starts what was stopped.`,
    );
  }
}

/** As the manager knows it: what it calls running is healthy, and of a node that does not answer nothing is known. */
async function healthOfSwarm(docker: Docker, stack: string, json: boolean): Promise<void> {
  const view = await readSwarm(docker, stack);
  if (json) printJson({ stack, healthy: isGoodSwarm(view), ...swarmForJson(view) });
  else for (const line of [...nodeTable(view), ...serviceTable(view), ...taskTable(view)]) print(line);
  if (view.services.length === 0) {
    throw new OpsError(`Stack ${stack} has no service on this swarm.`, `Deploy it: ${npmRun("up", stack)}`);
  }
  const problems = problemsOf(view);
  if (problems.length === 0) return;
  if (!json) await explainSwarm(docker, stack, view);
  throw new OpsError(
    `Not healthy: ${problems.join(" ")}`,
    `A node that is down: start its engine, or \`${npmRun("node", stack, "remove", "NODE", "--lost")}\`. ` +
      `Else look at the logs (${npmRun("logs", stack, "WORKLOAD")}), correct the cause and run \`${npmRun("up", stack)}\`.`,
  );
}

const forJson = (view: ContainerView) => {
  const { name, workload, replica, state, health, restarts, exitCode, lastProbe } = view;
  return { name, workload, replica, state, health, restarts, exitCode, lastProbe };
};

function printHealth(views: readonly ContainerView[], bad: readonly ContainerView[]): void {
  for (const line of healthTable(views)) print(line);
  for (const { name, lastProbe } of bad) {
    if (lastProbe === undefined) continue;
    print(`  ${name}, last health check (exit ${lastProbe.exitCode}):`);
    for (const line of indented(lastProbe.output)) print(line);
  }
}
