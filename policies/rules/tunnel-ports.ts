/** Rule tunnel-ports. A port beside the tunnel is a way around its rate limits, firewall and certificate. */
import { CONTAINER, SERVICE, stackRule, type ContainerProps, type ServiceProps } from "../rule.ts";

const tunnel = /^cloudflare:index\/zeroTrustTunnelCloudflared:/;
const loopback = /^(127\.\d+\.\d+\.\d+|::1)$/;

export const tunnelPorts = stackRule({
  name: "tunnel-ports",
  title:
    "With the tunnel enabled, no container publishes a port beyond the loopback of the host, and no service any.",
  source: "CIS Docker 5.8, 5.14",
  remedy:
    "Set omniai:bindAddress to 127.0.0.1 and omniai:bindAddressIpv6 to nothing; on a swarm, set omniai:publishPorts to never.",
  *check(resources) {
    if (!resources.some(({ type }) => tunnel.test(type))) return;
    for (const resource of resources.filter(({ type }) => type === CONTAINER)) {
      for (const { ip, external } of (resource.props as unknown as ContainerProps).ports ?? []) {
        if (!loopback.test(ip ?? ""))
          yield {
            what: `it publishes port ${external} on ${ip ?? "every address"} beside the tunnel.`,
            resource,
          };
      }
    }
    for (const resource of resources.filter(({ type }) => type === SERVICE)) {
      const { endpointSpec } = resource.props as unknown as ServiceProps;
      for (const { publishedPort } of endpointSpec?.ports ?? [])
        yield { what: `it publishes port ${publishedPort} on every address beside the tunnel.`, resource };
    }
  },
});
