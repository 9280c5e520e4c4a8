/** Rule service-ports. A port of a service is open on every address of its nodes, past their firewall; one in the mesh on every node. */
import { knownFirst, serviceRule } from "../rule.ts";

export const servicePorts = serviceRule({
  name: "service-ports",
  title: "Only the edge publishes ports, and each on its own nodes alone.",
  source: "CIS Docker 5.8, 5.14",
  remedy: "Reach it through the edge; set publishMode of the edge's own ports to host.",

  *check({ name, props }) {
    for (const { publishedPort, publishMode } of knownFirst(props.endpointSpec?.ports)) {
      if (publishMode !== "host") yield `the port ${publishedPort} is published in the mesh, on every node.`;
      if (!name.endsWith("-edge")) yield `it publishes the port ${publishedPort}.`;
    }
  },
});
