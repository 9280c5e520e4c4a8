/** Rule container-propagation. What is mounted in the container would appear on the host. */
import { containerRule, knownFirst } from "../rule.ts";

export const containerPropagation = containerRule({
  name: "container-propagation",
  title: "No mount of a container is passed on to its host.",
  source: "CIS Docker 5.20",
  remedy: "Leave bindOptions.propagation out.",

  *check({ props }) {
    for (const { target, bindOptions } of knownFirst(props.mounts)) {
      if (/^r?shared$/.test(bindOptions?.propagation ?? ""))
        yield `its mount ${target} is ${bindOptions?.propagation}.`;
    }
  },
});
