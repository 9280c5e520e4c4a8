/** The cases of rule tunnel-ports. */
import { tunnelPorts } from "../../rules/tunnel-ports.ts";
import { container, resource, testRule } from "../support/cases.ts";

const tunnel = resource(
  "cloudflare:index/zeroTrustTunnelCloudflared:ZeroTrustTunnelCloudflared",
  "tunnel",
  {},
);
const published = (ip: string) => container({ ports: [{ internal: 8080, external: 8080, ip }] });

testRule(tunnelPorts, {
  passes: {
    "no tunnel": [published("0.0.0.0")],
    "the loopback": [tunnel, published("127.0.0.1")],
  },
  fails: {
    "beside the tunnel": [[tunnel, published("0.0.0.0")], /8080 on 0\.0\.0\.0/],
  },
});
