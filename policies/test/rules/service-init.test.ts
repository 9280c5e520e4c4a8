/** The cases of rule service-init. */
import { serviceInit } from "../../rules/service-init.ts";
import { service, testRule } from "../support/cases.ts";

testRule(serviceInit, {
  passes: {
    "an init": service(),
  },
  fails: {
    none: [service({ init: false }), /no init/],
  },
});
