/**
 * Rule container-env-names. `docker inspect` shows the variables of a container, and every child process inherits
 * them.
 */
import { isSecretName } from "../../infra/config/secrets.ts";
import { containerRule, knownFirst } from "../rule.ts";

export const containerEnvNames = containerRule({
  name: "container-env-names",
  title: "No variable of a container is named like a secret, unless it names a file.",
  source: "OWASP Docker, rule 12",
  remedy: "Write the secret to a file, and name the file in a variable that ends in _FILE.",

  *check({ props }) {
    for (const variable of knownFirst(props.envs)) {
      const name = variable.slice(0, variable.indexOf("="));
      if (isSecretName(name)) yield `the variable ${name} is named like a secret.`;
    }
  },
});
