/** Rule container-read-only. An intruder cannot change what cannot be written; what can be written has a size. */
import { containerRule, knownFirst } from "../rule.ts";

export const containerReadOnly = containerRule({
  name: "container-read-only",
  title: "The root of a container is read-only, and its writable memory has a size.",
  source: "CIS Docker 5.13",
  remedy: "Set `readOnly`, and `size=` for every tmpfs; bring files through a volume.",

  *check({ props }) {
    if (props.readOnly !== true) yield "its root can be written.";
    for (const [path, options] of Object.entries(props.tmpfs ?? {})) {
      if (!/(^|,)size=\d/.test(options)) yield `its tmpfs ${path} has no size.`;
    }
    for (const { target, type, tmpfsOptions } of knownFirst(props.mounts)) {
      if (type === "tmpfs" && !((tmpfsOptions?.sizeBytes ?? 0) > 0)) yield `its tmpfs ${target} has no size.`;
    }
    if ((props.uploads ?? []).length > 0) yield "it has uploads, which a read-only root refuses.";
  },
});
