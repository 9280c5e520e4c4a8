/** The cases of rule container-env-names. */
import { containerEnvNames } from "../../rules/container-env-names.ts";
import { container, testRule } from "../support/cases.ts";

testRule(containerEnvNames, {
  passes: {
    "a file": container(),
  },
  fails: {
    "a password": [container({ envs: ["POSTGRES_PASSWORD=x"] }), /POSTGRES_PASSWORD/],
    "a key": [container({ envs: ["API_KEY=x"] }), /API_KEY/],
  },
});
