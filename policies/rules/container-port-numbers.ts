/** Rule container-port-numbers. Below port 1024 the host has its own services. */
import { containerRule, knownFirst } from "../rule.ts";

export const containerPortNumbers = containerRule({
  name: "container-port-numbers",
  title: "A container publishes no host port below 1024 but 80 and 443.",
  source: "CIS Docker 5.8",
  remedy: "Publish a higher port, or let the edge do it.",

  *check({ props }) {
    for (const { external } of knownFirst(props.ports)) {
      if (external === undefined) yield "it publishes a host port that nobody chose.";
      else if (external < 1024 && external !== 80 && external !== 443)
        yield `it publishes the host port ${external}.`;
    }
  },
});
