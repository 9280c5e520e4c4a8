/** The cases of rule container-seccomp. */
import { containerSeccomp } from "../../rules/container-seccomp.ts";
import { container, testRule } from "../support/cases.ts";

testRule(containerSeccomp, {
  passes: {
    "a profile of its own": container({ securityOpts: ["seccomp=omniai"] }),
  },
  fails: {
    off: [container({ securityOpts: ["seccomp=unconfined"] }), /is off/],
    "off, in the older spelling": [container({ securityOpts: ["seccomp:unconfined"] }), /is off/],
  },
});
