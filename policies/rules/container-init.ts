import { containerRule } from "../rule.ts";

/** As the first process most programs neither collect dead children nor die of a signal that they do not handle. */
export const containerInit = containerRule({
  name: "container-init",
  title: "A container has an init process.",
  source: "Docker, run --init",
  remedy: "Set `init`.",

  *check({ props }) {
    if (props.init !== true) yield "it has no init.";
  },
});
