/** The cases of rule container-network-mode. */
import { containerNetworkMode } from "../../rules/container-network-mode.ts";
import { container, testRule } from "../support/cases.ts";

testRule(containerNetworkMode, {
  passes: {
    bridge: container(),
  },
  fails: {
    host: [container({ networkMode: "host" }), /is host/],
    "another container's": [container({ networkMode: "container:edge" }), /container:edge/],
  },
});
