import { containerRule } from "../rule.ts";

/** The image decides then what the host opens. */
export const containerPublishAll = containerRule({
  name: "container-publish-all",
  title: "No container publishes all ports of its image.",
  source: "CIS Docker 5.9",
  remedy: "List what is needed in `ports`.",

  *check({ props }) {
    if (props.publishAllPorts === true) yield "publishAllPorts is true.";
  },
});
