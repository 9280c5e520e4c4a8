/** `npm run health`: exit 0 only if every container of the stack is healthy. Asks the engine, needs no Pulumi. */
import { isGood, listContainers } from "../engine/containers.ts";
import { OpsError } from "../terminal/errors.ts";
import { indented, print, printJson } from "../terminal/output.ts";
import { healthTable } from "../engine/health-report.ts";
import { findPlace, openEngine, type CommonOptions } from "../stack/session.ts";

export async function health(options: CommonOptions): Promise<void> {
  const place = findPlace(options);
  const { docker } = await openEngine(place);
  const views = await listContainers(docker, place.stack);
  const bad = views.filter((view) => !isGood(view));
  const healthy = views.length > 0 && bad.length === 0;
  if (options.json) {
    const containers = views.map(
      ({ name, workload, replica, state, health, restarts, exitCode, lastProbe }) => ({
        name,
        workload,
        replica,
        state,
        health,
        restarts,
        exitCode,
        lastProbe,
      }),
    );
    printJson({ stack: place.stack, healthy, containers });
  } else {
    for (const line of healthTable(views)) print(line);
    for (const { name, lastProbe } of bad) {
      if (lastProbe === undefined) continue;
      print(`  ${name}, last health check (exit ${lastProbe.exitCode}):`);
      for (const line of indented(lastProbe.output)) print(line);
    }
  }
  if (views.length === 0) {
    throw new OpsError(`Stack ${place.stack} has no container on this engine.`, "Deploy it: npm run up");
  }
  if (bad.length > 0) {
    throw new OpsError(
      `Not healthy: ${bad.map(({ name }) => name).join(", ")}.`,
      "Look at their logs (npm run logs -- WORKLOAD); `npm run up` starts what was stopped.",
    );
  }
}
