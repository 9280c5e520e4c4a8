/** Rule service-cpu. Without a limit, a loop in one task would slow down all others of its node. */
import { serviceRule } from "../rule.ts";

export const serviceCpu = serviceRule({
  name: "service-cpu",
  title: "The tasks of a service have a CPU limit.",
  source: "CIS Docker 5.12",
  remedy: "Set taskSpec.resources.limits.nanoCpus.",

  *check({ props }) {
    if (!((props.taskSpec.resources?.limits?.nanoCpus ?? 0) > 0)) yield "it has no CPU limit.";
  },
});
