/**
 * Rule container-init. As the first process of a container, most programs neither collect dead children nor end by a
 * signal that they do not handle.
 */
import { containerRule } from "../rule.ts";

export const containerInit = containerRule({
  name: "container-init",
  title: "A container has an init process.",
  source: "Docker, run --init",
  remedy: "Set `init`.",

  *check({ props }) {
    if (props.init !== true) yield "it has no init.";
  },
});
