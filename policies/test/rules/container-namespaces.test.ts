/** The cases of rule container-namespaces. */
import { containerNamespaces } from "../../rules/container-namespaces.ts";
import { container, testRule } from "../support/cases.ts";

testRule(containerNamespaces, {
  passes: {
    "its own": container({ ipcMode: "private" }),
  },
  fails: {
    pidMode: [container({ pidMode: "host" }), /pidMode/],
    ipcMode: [container({ ipcMode: "host" }), /ipcMode/],
    usernsMode: [container({ usernsMode: "host" }), /usernsMode/],
  },
});
