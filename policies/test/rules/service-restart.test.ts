/** The cases of rule service-restart. */
import { serviceRestart } from "../../rules/service-restart.ts";
import { service, testRule } from "../support/cases.ts";

testRule(serviceRestart, {
  passes: {
    always: service(),
  },
  fails: {
    "on failure": [
      service({}, { restartPolicy: { condition: "on-failure" } }),
      /restart policy is on-failure/,
    ],
    "three times": [service({}, { restartPolicy: { condition: "any", maxAttempts: 3 } }), /given up after 3/],
  },
});
