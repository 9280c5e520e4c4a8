/**
 * Rule container-port-address. A published port bypasses the host's firewall, and by default the engine listens on
 * every address.
 */
import { containerRule, knownFirst } from "../rule.ts";

/** Nothing but zeros, in whatever notation; also the IPv4 one as IPv6 writes it (::ffff:0.0.0.0). */
const isUnspecified = (ip: string): boolean => /^\[?([0:]*:ffff:)?[0:.]*\]?$/i.test(ip.trim());

export const containerPortAddress = containerRule({
  name: "container-port-address",
  title: "A published port names the one host address that it listens on.",
  source: "CIS Docker 5.14",
  remedy: "Set the `ip` of the port; 127.0.0.1 where only the host needs it.",

  *check({ props }) {
    for (const { ip, external } of knownFirst(props.ports)) {
      if (isUnspecified(ip ?? "")) yield `the port ${external} listens on every address of the host.`;
    }
  },
});
