/** Rule service-secrets. As rule container-secrets: these properties are shown to everybody who may use the manager. */
import { serviceRule } from "../rule.ts";

export const serviceSecrets = serviceRule({
  name: "service-secrets",
  title: "No secret goes into the variables, labels, command or health check of a service.",
  source: "CIS Docker 4.10",
  remedy: "Give it to the tasks as a secret of the swarm.",

  *check({ secrets }) {
    for (const path of secrets) {
      if (/^(labels|name)\b|\.(env|labels|args|commands|healthcheck|hostname|configs)\b/.test(path))
        yield `a secret goes into ${path}.`;
    }
  },
});
