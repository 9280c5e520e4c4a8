/** Rule data-network. A container that holds data needs no way out, and nothing outside needs a way to it. */
import { DATA_LABEL } from "../../infra/resources/labels.ts";
import { CONTAINER, ifKnown, labelOf, NETWORK, stackRule, VOLUME, type ContainerProps } from "../rule.ts";

interface Named {
  readonly name?: string;
  readonly internal?: boolean;
  readonly labels?: readonly { label: string; value: string }[];
}

export const dataNetwork = stackRule({
  name: "data-network",
  title: "A container with a data volume is only on internal networks.",
  source: "CIS Docker 5.30; OWASP Docker, rule 5",
  remedy: "Attach it to the data network alone (infra/components/network/network.ts).",
  *check(resources) {
    const of = (type: string): Named[] =>
      resources.filter((resource) => resource.type === type).map(({ props }) => props as Named);
    const data = new Set(
      of(VOLUME)
        // A data volume's labels and name are known from the start, by the rule data-volume.
        .filter((volume) => ifKnown(() => labelOf(volume.labels, DATA_LABEL)) === "true")
        .map(({ name }) => name),
    );
    const internal = new Set(
      of(NETWORK)
        .filter((network) => network.internal === true)
        .map(({ name }) => name),
    );
    for (const resource of resources.filter(({ type }) => type === CONTAINER)) {
      const { volumes, networksAdvanced } = resource.props as unknown as ContainerProps;
      if (!(volumes ?? []).some((volume) => data.has(ifKnown(() => volume.volumeName)))) continue;
      for (const { name } of networksAdvanced ?? []) {
        if (!internal.has(name))
          yield { what: `it holds data, and its network ${name} is not internal.`, resource };
      }
    }
  },
});
