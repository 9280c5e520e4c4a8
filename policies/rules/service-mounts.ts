/** Rule service-mounts. A folder or a volume is on one node: on the next one, a task would find another or none. And whoever sees the folders of a node owns it. */
import { knownFirst, serviceRule } from "../rule.ts";

export const serviceMounts = serviceRule({
  name: "service-mounts",
  title: "The tasks of a service mount nothing but memory, which has a size.",
  source: "CIS Docker 5.6, 5.13",
  remedy: "Bring files as secrets and configs; set tmpfsOptions.sizeBytes for each tmpfs.",

  *check({ props }) {
    for (const { type, target, source, tmpfsOptions } of knownFirst(props.taskSpec.containerSpec.mounts)) {
      if (type !== "tmpfs") yield `it mounts the ${type} ${source ?? ""} at ${target}.`;
      else if (!((tmpfsOptions?.sizeBytes ?? 0) > 0)) yield `its tmpfs ${target} has no size.`;
    }
  },
});
