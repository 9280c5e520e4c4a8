/** The cases of rule container-must-run. */
import { containerMustRun } from "../../rules/container-must-run.ts";
import { container, testRule } from "../support/cases.ts";

testRule(containerMustRun, {
  passes: {
    set: container(),
  },
  fails: {
    "need not run": [container({ mustRun: false }), /mustRun/],
    "removes itself": [container({ rm: true }), /rm is true/],
  },
});
