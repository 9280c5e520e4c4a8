/** Rule service-init. As rule container-init: most programs do not collect dead children as the first process. */
import { serviceRule } from "../rule.ts";

export const serviceInit = serviceRule({
  name: "service-init",
  title: "The tasks of a service have an init process.",
  source: "Docker, service create --init",
  remedy: "Set containerSpec.init.",

  *check({ props }) {
    if (props.taskSpec.containerSpec.init !== true) yield "it has no init.";
  },
});
