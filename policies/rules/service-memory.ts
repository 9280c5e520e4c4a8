/** Rule service-memory. As rule container-memory. A service has no swap limit: a node of a swarm has no swap, or that much more. */
import { serviceRule } from "../rule.ts";

export const serviceMemory = serviceRule({
  name: "service-memory",
  title: "The tasks of a service have a memory limit.",
  source: "CIS Docker 5.11",
  remedy: "Set taskSpec.resources.limits.memoryBytes.",

  *check({ props }) {
    if (!((props.taskSpec.resources?.limits?.memoryBytes ?? 0) > 0)) yield "it has no memory limit.";
  },
});
