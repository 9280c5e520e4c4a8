/** The cases of rule container-health. */
import { containerHealth } from "../../rules/container-health.ts";
import { container, testRule } from "../support/cases.ts";

testRule(containerHealth, {
  passes: {
    "all set": container(),
  },
  fails: {
    none: [container({ healthcheck: undefined }), /no health check/],
    "switched off": [container({ healthcheck: { tests: ["NONE"] } }), /no health check/],
    "no interval": [
      container({
        healthcheck: { tests: ["CMD", "x"], interval: "0s", timeout: "3s", retries: 3, startPeriod: "5s" },
      }),
      /interval/,
    ],
  },
});
