/** The cases of rule container-networks. */
import { containerNetworks } from "../../rules/container-networks.ts";
import { container, testRule } from "../support/cases.ts";

testRule(containerNetworks, {
  passes: {
    "its own": container(),
  },
  fails: {
    none: [container({ networksAdvanced: [] }), /default bridge/],
    "the default bridge": [container({ networksAdvanced: [{ name: "bridge" }] }), /network bridge/],
  },
});
