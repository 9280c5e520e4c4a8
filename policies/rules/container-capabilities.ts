/** Rule container-capabilities. None of our processes needs a Linux capability; one that does has to say which. */
import { containerRule, knownFirst } from "../rule.ts";

export const containerCapabilities = containerRule({
  name: "container-capabilities",
  title: "A container has no Linux capabilities.",
  source: "CIS Docker 5.4",
  remedy: 'Drop "ALL" and add none; a workload that needs one gets an exception that says why.',

  *check({ props }) {
    const { drops, adds } = props.capabilities ?? {};
    if (![...knownFirst(drops)].includes("ALL")) yield 'capabilities.drops lacks "ALL".';
    for (const added of knownFirst(adds)) yield `it adds the capability ${added}.`;
  },
});
