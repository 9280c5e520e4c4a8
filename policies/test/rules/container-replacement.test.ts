/** The cases of rule container-replacement. */
import { containerReplacement } from "../../rules/container-replacement.ts";
import { container, testRule } from "../support/cases.ts";

testRule(containerReplacement, {
  passes: {
    "created first": container(),
    "deleted first, with a fixed name": container(
      { name: "omniai-prod-redis" },
      { options: { protect: false, deleteBeforeReplace: true } },
    ),
  },
  fails: {
    "left to the provider": [container({}, { options: { protect: false } }), /not false/],
    "a fixed name": [container({ name: "omniai-prod-redis" }), /fixed name/],
    "a port": [container({ ports: [{ internal: 80, external: 8080 }] }), /port/],
  },
});
