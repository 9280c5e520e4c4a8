/** The cases of rule container-ulimits. */
import { containerUlimits } from "../../rules/container-ulimits.ts";
import { container, testRule } from "../support/cases.ts";

testRule(containerUlimits, {
  passes: {
    none: container(),
    bounded: container({ ulimits: [{ name: "nofile", soft: 1024, hard: 4096 }] }),
  },
  fails: {
    unbounded: [container({ ulimits: [{ name: "nofile", soft: -1, hard: -1 }] }), /nofile/],
  },
});
