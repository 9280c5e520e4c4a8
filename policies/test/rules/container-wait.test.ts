/** The cases of rule container-wait. */
import { containerWait } from "../../rules/container-wait.ts";
import { container, testRule } from "../support/cases.ts";

testRule(containerWait, {
  passes: {
    "long enough": container(),
  },
  fails: {
    "not set": [container({ wait: false }), /wait is not set/],
    "too short": [container({ waitTimeout: 60 }), /may take 84 s/],
  },
});
