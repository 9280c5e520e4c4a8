/** The cases of rule container-propagation. */
import { containerPropagation } from "../../rules/container-propagation.ts";
import { container, testRule } from "../support/cases.ts";

testRule(containerPropagation, {
  passes: {
    private: container({
      mounts: [{ type: "bind", target: "/x", bindOptions: { propagation: "rprivate" } }],
    }),
  },
  fails: {
    shared: [
      container({ mounts: [{ type: "bind", target: "/x", bindOptions: { propagation: "rshared" } }] }),
      /\/x is rshared/,
    ],
  },
});
