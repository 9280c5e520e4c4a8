/** The cases of rule container-restart. */
import { containerRestart } from "../../rules/container-restart.ts";
import { container, testRule } from "../support/cases.ts";

testRule(containerRestart, {
  passes: {
    "unless-stopped": container(),
    "a counted on-failure": container({ restart: "on-failure", maxRetryCount: 5 }),
  },
  fails: {
    no: [container({ restart: "no" }), /is no/],
    "on-failure for ever": [container({ restart: "on-failure" }), /on-failure/],
  },
});
