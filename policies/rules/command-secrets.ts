/** Rule command-secrets. Others on the machine can read the arguments and variables of a process, and logs keep them. */
import { isSecretName } from "../../infra/config/secrets.ts";
import { COMMAND, ifKnown, resourceRule } from "../rule.ts";

interface CommandProps {
  readonly environment?: Readonly<Record<string, string>>;
}

export const commandSecrets = resourceRule<CommandProps>([COMMAND, "command:remote:Command"], {
  name: "command-secrets",
  title: "A command gets secrets on its standard input, not in its text, variables or triggers.",
  source: "CWE-214",
  remedy: "Give the secret to the command in `stdin`.",
  *check({ props, secrets }) {
    const isMarked = (name: string): boolean => secrets.some((path) => path === `environment.${name}`);
    for (const name of Object.keys(ifKnown(() => props.environment) ?? {})) {
      if (isSecretName(name) && !isMarked(name)) yield `its variable ${name} is named like a secret.`;
    }
    for (const path of secrets) {
      if (/^(create|update|delete|environment|triggers|dir)\b/.test(path))
        yield `a secret goes into ${path}.`;
    }
  },
});
