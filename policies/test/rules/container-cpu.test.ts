/** The cases of rule container-cpu. */
import { containerCpu } from "../../rules/container-cpu.ts";
import { container, testRule } from "../support/cases.ts";

testRule(containerCpu, {
  passes: {
    cpus: container({ cpus: "0.5" }),
    shares: container({ cpus: undefined, cpuShares: 512 }),
  },
  fails: {
    neither: [container({ cpus: undefined }), /neither/],
  },
});
