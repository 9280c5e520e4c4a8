/** Rule service-runtime. A service can also be a plugin of every engine, which is root on its node. */
import { serviceRule } from "../rule.ts";

export const serviceRuntime = serviceRule({
  name: "service-runtime",
  title: "A service runs containers, and nothing else.",
  source: "Docker, swarm runtime",
  remedy: "Leave taskSpec.runtime out.",

  *check({ props }) {
    const { runtime } = props.taskSpec;
    if (runtime !== undefined && runtime !== "container") yield `its runtime is ${runtime}.`;
  },
});
