import { commandSecrets } from "../../rules/command-secrets.ts";
import { command, testRule } from "../support/cases.ts";

testRule(commandSecrets, {
  passes: {
    "on standard input": command({}, { secrets: ["stdin"] }),
  },
  fails: {
    "in a variable": [command({}, { secrets: ["environment.PASSWORD"] }), /environment\.PASSWORD/],
  },
});
