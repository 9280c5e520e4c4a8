/** Rule container-cgroup. In another control group a container would leave the limits that the engine sets. */
import { containerRule } from "../rule.ts";

export const containerCgroup = containerRule({
  name: "container-cgroup",
  title: "A container stays in the control group that the engine gives it.",
  source: "CIS Docker 5.25",
  remedy: "Leave `cgroupParent` out.",

  *check({ props }) {
    const { cgroupParent } = props as { cgroupParent?: string };
    if (cgroupParent !== undefined && cgroupParent !== "") yield `its cgroupParent is ${cgroupParent}.`;
  },
});
