/** The cases of rule container-init. */
import { containerInit } from "../../rules/container-init.ts";
import { container, testRule } from "../support/cases.ts";

testRule(containerInit, {
  passes: {
    set: container(),
  },
  fails: {
    "not set": [container({ init: undefined }), /no init/],
  },
});
