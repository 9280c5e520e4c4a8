/** The cases of rule service-logs. */
import { serviceLogs } from "../../rules/service-logs.ts";
import { service, testRule } from "../support/cases.ts";

testRule(serviceLogs, {
  passes: {
    rotated: service(),
  },
  fails: {
    "the engine's default": [service({}, { logDriver: undefined }), /logDriver is not set/],
    "without a size": [
      service({}, { logDriver: { name: "local", options: { "max-file": "3" } } }),
      /no max-size/,
    ],
    "one file": [
      service({}, { logDriver: { name: "json-file", options: { "max-size": "1m", "max-file": "1" } } }),
      /max-file of 1/,
    ],
  },
});
