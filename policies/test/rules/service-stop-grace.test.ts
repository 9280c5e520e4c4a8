/** The cases of rule service-stop-grace. */
import { serviceStopGrace } from "../../rules/service-stop-grace.ts";
import { service, testRule } from "../support/cases.ts";

testRule(serviceStopGrace, {
  passes: {
    "a minute": service(),
  },
  fails: {
    none: [service({ stopGracePeriod: undefined }), /not set/],
    "no time": [service({ stopGracePeriod: "0s" }), /is 0s/],
  },
});
