/** Rule container-publish-all. Otherwise the image decides which ports the host opens. */
import { containerRule } from "../rule.ts";

export const containerPublishAll = containerRule({
  name: "container-publish-all",
  title: "No container publishes all ports of its image.",
  source: "CIS Docker 5.9",
  remedy: "List the needed ports in `ports`.",

  *check({ props }) {
    if (props.publishAllPorts === true) yield "publishAllPorts is true.";
  },
});
