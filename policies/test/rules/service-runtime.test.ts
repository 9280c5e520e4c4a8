/** The cases of rule service-runtime. */
import { serviceRuntime } from "../../rules/service-runtime.ts";
import { service, testRule } from "../support/cases.ts";

testRule(serviceRuntime, {
  passes: {
    containers: service(),
  },
  fails: {
    "a plugin": [service({}, { runtime: "plugin" }), /runtime is plugin/],
  },
});
