/**
 * Rule overlay-network. Overlays are sent between the machines as they are, unless they are encrypted; and a container that
 * anybody starts on a node can join one that is attachable.
 */
import { NETWORK, resourceRule } from "../rule.ts";

interface Network {
  readonly driver?: string;
  readonly attachable?: boolean;
  readonly options?: Readonly<Record<string, string>>;
}

export const overlayNetwork = resourceRule<Network>([NETWORK], {
  name: "overlay-network",
  title: "A network between nodes is encrypted, and for services alone.",
  source: "CIS Docker 7.4 (encrypted overlay); OWASP ASVS 12.3",
  remedy:
    "Leave omniai:overlayEncrypted at true; where a kernel cannot, an exception says who else is on the machines' network.",
  *check({ props: { driver, attachable, options } }) {
    if (driver !== "overlay") return;
    if (attachable !== false) yield "any container of a node can join it.";
    if (options?.["encrypted"] === undefined) yield "what it carries between nodes is not encrypted.";
  },
});
