/** Rule service-logs. As rule container-logs: by default a node keeps every line until its disk is full. */
import { serviceRule } from "../rule.ts";

export const serviceLogs = serviceRule({
  name: "service-logs",
  title: "The logs of a service are rotated.",
  source: "moby#40207, moby#37646",
  remedy: "Set taskSpec.logDriver to json-file or local, with max-size and a max-file of at least 2.",

  *check({ props }) {
    const { name, options } = props.taskSpec.logDriver ?? {};
    if (name !== "json-file" && name !== "local") yield `its logDriver is ${name ?? "not set"}.`;
    else if (options?.["max-size"] === undefined) yield "its logDriver has no max-size.";
    else if (!(Number(options["max-file"] ?? 0) >= 2))
      yield `its logDriver has a max-file of ${options["max-file"] ?? "nothing"}.`;
  },
});
