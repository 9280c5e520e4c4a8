/** Rule container-cpu. Without a limit, a loop in one process would slow down all others. */
import { containerRule } from "../rule.ts";

export const containerCpu = containerRule({
  name: "container-cpu",
  title: "A container has a CPU limit.",
  source: "CIS Docker 5.12",
  remedy: "Set `cpus`.",

  *check({ props }) {
    if (!(Number(props.cpus ?? 0) > 0) && !((props.cpuShares ?? 0) > 0))
      yield "it has neither cpus nor cpuShares.";
  },
});
