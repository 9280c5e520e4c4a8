/** The cases of rule container-user. */
import { containerUser } from "../../rules/container-user.ts";
import { container, testRule } from "../support/cases.ts";

testRule(containerUser, {
  passes: {
    "uid and gid": container({ user: "999:999" }),
    "a name": container({ user: "nginx" }),
  },
  fails: {
    none: [container({ user: undefined }), /has no user/],
    root: [container({ user: "root" }), /is root/],
    "uid 0": [container({ user: "0:999" }), /is root/],
  },
});
