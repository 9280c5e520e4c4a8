/** The cases of rule container-secrets. */
import { containerSecrets } from "../../rules/container-secrets.ts";
import { container, testRule } from "../support/cases.ts";

testRule(containerSecrets, {
  passes: {
    "in a file": container(),
  },
  fails: {
    "in a variable": [container({}, { secrets: ["envs.2"] }), /envs\.2/],
    "in a label": [container({}, { secrets: ["labels.0.value"] }), /labels\.0/],
    "in the command": [container({}, { secrets: ["command.3"] }), /command\.3/],
  },
});
