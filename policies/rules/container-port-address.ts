import { containerRule, knownFirst } from "../rule.ts";

/** A published port goes past the host's firewall, and the engine's default is every address. */
export const containerPortAddress = containerRule({
  name: "container-port-address",
  title: "A published port names the one host address that it listens on.",
  source: "CIS Docker 5.14",
  remedy: "Set `ip` of the port, 127.0.0.1 where only the host needs it.",

  *check({ props }) {
    for (const { ip, external } of knownFirst(props.ports)) {
      if (ip === undefined || ip === "" || ip === "0.0.0.0" || ip === "::")
        yield `the port ${external} listens on every address of the host.`;
    }
  },
});
