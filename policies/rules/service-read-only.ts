/** Rule service-read-only. An intruder cannot change what cannot be written. */
import { serviceRule } from "../rule.ts";

export const serviceReadOnly = serviceRule({
  name: "service-read-only",
  title: "The root of a service's tasks is read-only.",
  source: "CIS Docker 5.13",
  remedy: "Set containerSpec.readOnly; files come as secrets and configs.",

  *check({ props }) {
    if (props.taskSpec.containerSpec.readOnly !== true) yield "its root can be written.";
  },
});
