/**
 * Rule container-secrets. `docker inspect` shows these properties to everybody who may use the engine. Pulumi marks
 * where a secret went, also in a preview.
 */
import { containerRule } from "../rule.ts";

export const containerSecrets = containerRule({
  name: "container-secrets",
  title: "No secret goes into the variables, labels, command or health check of a container.",
  source: "CIS Docker 4.10",
  remedy: "Give the secret to the container as a file.",

  *check({ secrets }) {
    for (const path of secrets) {
      if (/^(envs|labels|command|entrypoints|healthcheck|name|hostname)\b/.test(path))
        yield `a secret goes into ${path}.`;
    }
  },
});
