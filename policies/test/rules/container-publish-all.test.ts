/** The cases of rule container-publish-all. */
import { containerPublishAll } from "../../rules/container-publish-all.ts";
import { container, testRule } from "../support/cases.ts";

testRule(containerPublishAll, {
  passes: {
    "not set": container(),
  },
  fails: {
    set: [container({ publishAllPorts: true }), /publishAllPorts/],
  },
});
