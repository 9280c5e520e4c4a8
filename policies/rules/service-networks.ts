/** Rule service-networks. On a shared network, the services of others could reach it. By a name, the provider would replace it in every deploy. */
import { knownFirst, serviceRule } from "../rule.ts";

export const serviceNetworks = serviceRule({
  name: "service-networks",
  title: "A service is on networks of its own stack, which it names by id.",
  source: "CIS Docker 5.30; pulumi-docker: networksAdvanceds.name is deprecated",
  remedy: "Take the id from a docker.Network in networksAdvanceds.",

  *check({ props }) {
    const networks = props.taskSpec.networksAdvanceds ?? [];
    if (networks.length === 0) yield "it has no networksAdvanceds.";
    for (const { name } of knownFirst(networks))
      if (name !== undefined) yield `it names the network ${name} by name.`;
  },
});
