/** The cases of rule container-logs. */
import { containerLogs } from "../../rules/container-logs.ts";
import { container, testRule } from "../support/cases.ts";

testRule(containerLogs, {
  passes: {
    rotated: container(),
  },
  fails: {
    "one file": [container({ logOpts: { "max-size": "10m", "max-file": "1" } }), /max-file of 1/],
    "for ever": [container({ logOpts: { "max-file": "3" } }), /max-size/],
    elsewhere: [container({ logDriver: "none" }), /logDriver is none/],
  },
});
