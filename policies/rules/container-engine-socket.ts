import { hostPaths } from "../mounts.ts";
import { containerRule, knownFirst } from "../rule.ts";

/** Who can talk to the engine is root on the host; read-only changes nothing about that. */
export const containerEngineSocket = containerRule({
  name: "container-engine-socket",
  title: "No container reaches the engine's socket.",
  source: "CIS Docker 5.32",
  remedy: "Use a filtering proxy, or do without.",

  *check({ props }) {
    const inside = [...knownFirst(props.volumes)].map(({ containerPath }) => containerPath ?? "");
    for (const path of [...hostPaths(props), ...inside]) {
      if (/docker\.sock/.test(path) || /^(\/var)?\/run\/?$/.test(path))
        yield `it mounts ${path}, where the engine listens.`;
    }
  },
});
