/** The cases of rule service-networks. */
import { serviceNetworks } from "../../rules/service-networks.ts";
import { service, testRule } from "../support/cases.ts";

testRule(serviceNetworks, {
  passes: {
    "by id": service(),
  },
  fails: {
    "by name": [service({}, { networksAdvanceds: [{ name: "ingress" }] }), /the network ingress by name/],
    none: [service({}, { networksAdvanceds: [] }), /no networksAdvanceds/],
  },
});
