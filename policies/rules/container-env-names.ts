import { isSecretName } from "../../infra/config/secrets.ts";
import { containerRule, knownFirst } from "../rule.ts";

/** Variables are read by `docker inspect` and inherited by every child. */
export const containerEnvNames = containerRule({
  name: "container-env-names",
  title: "No variable of a container is named like a secret, unless it names a file.",
  source: "OWASP Docker, rule 12",
  remedy: "Write the secret to a file and name that in a variable ending in _FILE.",

  *check({ props }) {
    for (const variable of knownFirst(props.envs)) {
      const name = variable.slice(0, variable.indexOf("="));
      if (isSecretName(name)) yield `the variable ${name} is named like a secret.`;
    }
  },
});
