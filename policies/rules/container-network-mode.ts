/**
 * Rule container-network-mode. On the network of the host, a container would listen on its addresses and see all of
 * its traffic.
 */
import { containerRule } from "../rule.ts";

export const containerNetworkMode = containerRule({
  name: "container-network-mode",
  title: "No container shares the network of its host or of another container.",
  source: "CIS Docker 5.10",
  remedy: "Leave `networkMode` at bridge and use `networksAdvanced`.",

  *check({ props }) {
    if (/^(host$|container:)/.test(props.networkMode ?? "")) yield `its networkMode is ${props.networkMode}.`;
  },
});
