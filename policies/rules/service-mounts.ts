/** Rule service-mounts. A folder or a volume is on one node: on the next one, a task would find another or none. And whoever sees the folders of a node owns it. */
import { knownFirst, serviceRule } from "../rule.ts";

/** Options of a volume that is memory while somebody has it mounted, and nothing afterwards. */
const isMemory = (options: Readonly<Record<string, string>> = {}): boolean =>
  options["type"] === "tmpfs" && options["device"] === "tmpfs";

export const serviceMounts = serviceRule({
  name: "service-mounts",
  title:
    "The tasks of a service mount nothing but memory, which has a size, and only read what others on the node see too.",
  source: "CIS Docker 5.6, 5.13",
  remedy:
    "Bring files as secrets and configs; set tmpfsOptions.sizeBytes for each tmpfs, and size= for a volume of memory (nodeMemory).",

  *check({ props }) {
    for (const mount of knownFirst(props.taskSpec.containerSpec.mounts)) {
      const { type, target, source, readOnly, tmpfsOptions, volumeOptions } = mount;
      if (type === "volume" && isMemory(volumeOptions?.driverOptions)) {
        if (!/(^|,)size=[1-9]\d*[km](,|$)/.test(volumeOptions?.driverOptions?.["o"] ?? ""))
          yield `its memory ${source ?? ""} at ${target} has no size.`;
        else if (readOnly !== true)
          yield `it writes into the memory ${source ?? ""} at ${target}, which others see.`;
      } else if (type !== "tmpfs") yield `it mounts the ${type} ${source ?? ""} at ${target}.`;
      else if (!((tmpfsOptions?.sizeBytes ?? 0) > 0)) yield `its tmpfs ${target} has no size.`;
    }
  },
});
