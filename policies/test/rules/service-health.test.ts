/** The cases of rule service-health. */
import { serviceHealth } from "../../rules/service-health.ts";
import { service, testRule } from "../support/cases.ts";

testRule(serviceHealth, {
  passes: {
    "all times": service(),
  },
  fails: {
    "no check": [service({ healthcheck: undefined }), /no health check/],
    "no timeout": [
      service({
        healthcheck: { tests: ["CMD", "x"], interval: "5s", timeout: "0s", retries: 3, startPeriod: "15s" },
      }),
      /healthcheck\.timeout is not set/,
    ],
    "switched off": [service({ healthcheck: { tests: ["NONE"] } }), /no health check/],
  },
});
