/**
 * Rule container-replacement. By default the provider deletes first, which is an outage. With a fixed name or a
 * port, creating first cannot work.
 */
import { containerRule, hasFixedName } from "../rule.ts";

export const containerReplacement = containerRule({
  name: "container-replacement",
  title: "A container is created before its predecessor is deleted, unless it has a fixed name or a port.",
  source: "pulumi-docker#1356",
  remedy: "Set deleteBeforeReplace to false, or to true for a container with a fixed name or a port.",

  *check({ name, props, options }) {
    const owns = hasFixedName(name, props.name) || (props.ports ?? []).length > 0;
    const { deleteBeforeReplace } = options;
    if (owns && deleteBeforeReplace !== true)
      yield "it has a fixed name or a port, and deleteBeforeReplace is not true.";
    if (!owns && deleteBeforeReplace !== false)
      yield "deleteBeforeReplace is not false, so the old container goes before the new one is healthy.";
  },
});
