import { containerRule } from "../rule.ts";

/** What `docker inspect` shows is no secret. Known in a preview too: Pulumi marks what a secret went into. */
export const containerSecrets = containerRule({
  name: "container-secrets",
  title: "No secret goes into the variables, labels, command or health check of a container.",
  source: "CIS Docker 4.10",
  remedy: "Hand it over as a file.",

  *check({ secrets }) {
    for (const path of secrets) {
      if (/^(envs|labels|command|entrypoints|healthcheck|name|hostname)\b/.test(path))
        yield `a secret goes into ${path}.`;
    }
  },
});
