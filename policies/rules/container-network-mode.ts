import { containerRule } from "../rule.ts";

/** It would listen on the host's own addresses and see all of its traffic. */
export const containerNetworkMode = containerRule({
  name: "container-network-mode",
  title: "No container shares the network of its host or of another container.",
  source: "CIS Docker 5.10",
  remedy: "Leave `networkMode` at bridge and use `networksAdvanced`.",

  *check({ props }) {
    if (/^(host$|container:)/.test(props.networkMode ?? "")) yield `its networkMode is ${props.networkMode}.`;
  },
});
