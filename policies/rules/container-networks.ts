/** Rule container-networks. On the default bridge, every container of the host can reach every other. */
import { containerRule, knownFirst } from "../rule.ts";

export const containerNetworks = containerRule({
  name: "container-networks",
  title: "A container is on networks of its own stack, never on the default bridge.",
  source: "CIS Docker 5.30",
  remedy: "Name the networks in `networksAdvanced`.",

  *check({ props }) {
    if ((props.networksAdvanced ?? []).length === 0)
      yield "it has no networksAdvanced, so it is on the default bridge.";
    for (const { name } of knownFirst(props.networksAdvanced)) {
      if (/^(bridge|host|none)$/.test(name)) yield `it is on the network ${name}.`;
    }
  },
});
