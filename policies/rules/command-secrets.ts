import { COMMAND, resourceRule } from "../rule.ts";

/** Arguments and variables of a process are read by others on the machine, and end in logs. */
export const commandSecrets = resourceRule([COMMAND, "command:remote:Command"], {
  name: "command-secrets",
  title: "A command gets secrets on its standard input, not in its text, variables or triggers.",
  source: "CWE-214",
  remedy: "Hand the secret over in `stdin`.",
  *check({ secrets }) {
    for (const path of secrets) {
      if (/^(create|update|delete|environment|triggers|dir)\b/.test(path))
        yield `a secret goes into ${path}.`;
    }
  },
});
