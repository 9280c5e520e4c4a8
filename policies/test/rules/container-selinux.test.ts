/** The cases of rule container-selinux. */
import { containerSelinux } from "../../rules/container-selinux.ts";
import { container, testRule } from "../support/cases.ts";

testRule(containerSelinux, {
  passes: {
    "a profile of its own": container({ securityOpts: ["label=omniai"] }),
  },
  fails: {
    off: [container({ securityOpts: ["label=disable"] }), /is off/],
    "off, in the older spelling": [container({ securityOpts: ["label:disable"] }), /is off/],
  },
});
