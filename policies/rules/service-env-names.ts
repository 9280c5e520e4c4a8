/** Rule service-env-names. `docker service inspect` shows variables to everybody who may use the manager. */
import { isSecretName } from "../../infra/config/secrets.ts";
import { serviceRule } from "../rule.ts";

export const serviceEnvNames = serviceRule({
  name: "service-env-names",
  title: "No variable of a service is named like a secret, unless it names a file.",
  source: "OWASP Docker, rule 12",
  remedy: "Make it a secret of the swarm, and name its file in a variable that ends in _FILE.",

  *check({ props }) {
    for (const name of Object.keys(props.taskSpec.containerSpec.env ?? {})) {
      if (isSecretName(name)) yield `the variable ${name} is named like a secret.`;
    }
  },
});
