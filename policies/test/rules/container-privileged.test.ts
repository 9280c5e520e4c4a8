/** The cases of rule container-privileged. */
import { containerPrivileged } from "../../rules/container-privileged.ts";
import { container, testRule } from "../support/cases.ts";

testRule(containerPrivileged, {
  passes: {
    "not privileged": container({ privileged: false }),
  },
  fails: {
    privileged: [container({ privileged: true }), /is privileged/],
  },
});
