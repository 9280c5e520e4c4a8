/** Rule service-restart. A task that ended has to be followed by another one, whatever it ended with. */
import { serviceRule } from "../rule.ts";

export const serviceRestart = serviceRule({
  name: "service-restart",
  title: "A swarm replaces every task that ends.",
  source: "CIS Docker 5.15",
  remedy: "Set restartPolicy.condition to any, without maxAttempts.",

  *check({ props }) {
    const { condition, maxAttempts } = props.taskSpec.restartPolicy ?? {};
    if (condition !== "any") yield `its restart policy is ${condition ?? "not set"}.`;
    if ((maxAttempts ?? 0) > 0) yield `it is given up after ${maxAttempts} attempts.`;
  },
});
