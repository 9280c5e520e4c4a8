/** The cases of rule container-cgroup. */
import { containerCgroup } from "../../rules/container-cgroup.ts";
import { container, testRule } from "../support/cases.ts";

testRule(containerCgroup, {
  passes: {
    "the engine's": container(),
  },
  fails: {
    another: [container({ cgroupParent: "/system.slice" }), /system.slice/],
  },
});
