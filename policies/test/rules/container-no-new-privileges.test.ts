/** The cases of rule container-no-new-privileges. */
import { containerNoNewPrivileges } from "../../rules/container-no-new-privileges.ts";
import { container, testRule } from "../support/cases.ts";

testRule(containerNoNewPrivileges, {
  passes: {
    set: container(),
    "set, in the shorter spelling": container({ securityOpts: ["no-new-privileges"] }),
  },
  fails: {
    "not set": [container({ securityOpts: [] }), /lacks/],
    "set to false": [container({ securityOpts: ["no-new-privileges:false"] }), /lacks/],
  },
});
