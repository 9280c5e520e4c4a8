/** What a move cannot do for its owner, said at its end. */
import { isIP } from "node:net";
import { parseSshAddress } from "../../../tools/host/ssh-address.ts";
import type { Access } from "../../stack/move-progress.ts";
import { wantedPorts, type KnownConfig } from "../../stack/settings.ts";
import { npmRun } from "../../terminal/npm-run.ts";

const LOCAL = ["127.0.0.1", "::1", "localhost"];

/** Pure: the new machine as a name in the DNS would know it. */
function machineIn({ dockerHost, hostAddress }: Access): string {
  const host = typeof hostAddress === "string" ? hostAddress : parseSshAddress(String(dockerHost))?.host;
  return host === undefined || LOCAL.includes(host) ? "the new machine" : host;
}

/** Pure: what leads to the edge's ports on its machine. */
function describePorts(config: KnownConfig, stack: string, machine: string): string[] {
  const { tunnelHostnames = [], edgeHosts = [], certificateHosts = [], tls } = config;
  const addresses = [...new Set(wantedPorts(config).map(({ address }) => address))];
  if (addresses.length === 0) return [];
  if (addresses.every((address) => LOCAL.includes(address)))
    return [
      `DNS: nothing to change. The edge listens on its own machine alone (${addresses.join(", ")}), which is the new one now.`,
    ];
  const hosts = (edgeHosts.length > 0 ? edgeHosts : certificateHosts).filter(
    // Those of the tunnel have records of Cloudflare's.
    (host) => !LOCAL.includes(host) && !tunnelHostnames.includes(host),
  );
  const names = hosts.filter((host) => isIP(host) === 0);
  const numbers = hosts.filter((host) => isIP(host) !== 0);
  return [
    `DNS is yours to change: let ${names.length > 0 ? names.join(", ") : "every name of the stack"} lead to ${machine} (A, and AAAA where it has one). ` +
      "Until then the old edge answers 503 and tells clients to come back; they resume where they were.",
    ...(tls === "acme"
      ? [
          "Without omniai:acmeCloudflareToken the certificate is renewed only once the names lead to the new machine.",
        ]
      : []),
    ...(numbers.length > 0
      ? [
          `The config names addresses (${numbers.join(", ")}): where they are the old machine's, write the new one's, and run ${npmRun("up", stack)}`,
        ]
      : []),
  ];
}

/** Pure: a line each. */
export function describeFollowUps(config: KnownConfig, stack: string, access: Access): string[] {
  return [
    ...(config.tunnelEnabled === true
      ? [
          "Tunnel: nothing to change. Its connectors run on the new machine, and Cloudflare's records lead to the tunnel.",
        ]
      : []),
    ...describePorts(config, stack, machineIn(access)),
    `Commit Pulumi.${stack}.yaml: it names the new machine.`,
    `The old machine keeps the data as it was, and nothing starts on it. When nobody needs it any more: ${npmRun("move", stack, "--finish")}`,
  ];
}
