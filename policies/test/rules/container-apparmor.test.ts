/** The cases of rule container-apparmor. */
import { containerApparmor } from "../../rules/container-apparmor.ts";
import { container, testRule } from "../support/cases.ts";

testRule(containerApparmor, {
  passes: {
    "a profile of its own": container({ securityOpts: ["apparmor=omniai"] }),
  },
  fails: {
    off: [container({ securityOpts: ["apparmor=unconfined"] }), /is off/],
    "off, in the older spelling": [container({ securityOpts: ["apparmor:unconfined"] }), /is off/],
  },
});
