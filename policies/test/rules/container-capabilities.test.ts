/** The cases of rule container-capabilities. */
import { containerCapabilities } from "../../rules/container-capabilities.ts";
import { container, testRule } from "../support/cases.ts";

testRule(containerCapabilities, {
  passes: {
    "all dropped": container(),
  },
  fails: {
    "not all dropped": [container({ capabilities: { drops: ["CAP_NET_RAW"] } }), /lacks "ALL"/],
    "one added": [container({ capabilities: { drops: ["ALL"], adds: ["CAP_CHOWN"] } }), /CAP_CHOWN/],
  },
});
