/** Rule container-ulimits. An override without an upper bound undoes the default of the engine. */
import { containerRule, knownFirst } from "../rule.ts";

export const containerUlimits = containerRule({
  name: "container-ulimits",
  title: "A container that sets ulimits bounds each of them.",
  source: "CIS Docker 5.19",
  remedy: "Set a hard limit of at most 1048576 that is not below the soft limit.",

  *check({ props }) {
    for (const { name, hard, soft } of knownFirst(props.ulimits)) {
      if (hard < 0 || hard > 1_048_576 || soft > hard)
        yield `its ulimit ${name} is ${soft} and at most ${hard}.`;
    }
  },
});
