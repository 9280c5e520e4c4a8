/** The cases of rule service-endpoint. */
import { serviceEndpoint } from "../../rules/service-endpoint.ts";
import { service, testRule } from "../support/cases.ts";

testRule(serviceEndpoint, {
  passes: {
    "addresses of tasks": service(),
  },
  fails: {
    "a virtual one": [service({}, {}, {}, { endpointSpec: { mode: "vip" } }), /endpoint mode is vip/],
    "the default": [service({}, {}, {}, { endpointSpec: undefined }), /not set, which is vip/],
  },
});
