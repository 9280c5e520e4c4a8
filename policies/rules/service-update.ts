/** Rule service-update. By default a swarm stops a task before its successor begins, and when that one fails it stays in the middle. A port of a node is one task's: only there the old one has to go first. */
import { serviceRule } from "../rule.ts";

export const serviceUpdate = serviceRule({
  name: "service-update",
  title:
    "A service is updated one task at a time, the new one first unless it has ports, and goes back by itself.",
  source: "Docker, service update: stop-first, pause",
  remedy:
    "Set parallelism 1, order start-first, failureAction rollback and monitor in updateConfig, and the same order in rollbackConfig.",

  *check({ props }) {
    const { updateConfig, rollbackConfig, endpointSpec } = props;
    const order = (endpointSpec?.ports ?? []).length > 0 ? "stop-first" : "start-first";
    if (updateConfig?.failureAction !== "rollback")
      yield `an update that fails ends with ${updateConfig?.failureAction ?? "a pause"}.`;
    if (!/[1-9]/.test(updateConfig?.monitor ?? "")) yield "its updateConfig.monitor is not set.";
    for (const [what, config] of Object.entries({ updateConfig, rollbackConfig })) {
      if (config?.order !== order)
        yield `its ${what}.order is ${config?.order ?? "not set"}, and not ${order}.`;
      if (config?.parallelism !== 1) yield `its ${what}.parallelism is ${config?.parallelism ?? "not set"}.`;
    }
  },
});
