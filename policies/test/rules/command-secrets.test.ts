/** The cases of rule command-secrets. */
import { commandSecrets } from "../../rules/command-secrets.ts";
import { command, testRule } from "../support/cases.ts";

testRule(commandSecrets, {
  passes: {
    "on standard input": command({}, { secrets: ["stdin"] }),
    "a variable that names a file": command({ environment: { TOKEN_FILE: "/run/secrets/token" } }),
  },
  fails: {
    "in a variable that only its name gives away": [
      command({ environment: { PGPASSWORD: "x" } }),
      /PGPASSWORD is named like a secret/,
    ],
    "in a variable": [command({}, { secrets: ["environment.PASSWORD"] }), /environment\.PASSWORD/],
  },
});
