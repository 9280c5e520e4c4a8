/** The cases of rule service-cpu. */
import { serviceCpu } from "../../rules/service-cpu.ts";
import { service, testRule } from "../support/cases.ts";

testRule(serviceCpu, {
  passes: {
    "a limit": service(),
  },
  fails: {
    "no limit": [service({}, { resources: { limits: { memoryBytes: 1 } } }), /no CPU limit/],
  },
});
