/** The cases of rule tunnel-ports. */
import { tunnelPorts } from "../../rules/tunnel-ports.ts";
import { container, resource, service, testRule } from "../support/cases.ts";

const tunnel = resource(
  "cloudflare:index/zeroTrustTunnelCloudflared:ZeroTrustTunnelCloudflared",
  "tunnel",
  {},
);
const published = (ip: string) => container({ ports: [{ internal: 8080, external: 8080, ip }] });

const PORTS = [{ targetPort: 8080, publishedPort: 80, publishMode: "host" }];
const publishing = service({}, {}, {}, { endpointSpec: { mode: "dnsrr", ports: PORTS } });

testRule(tunnelPorts, {
  passes: {
    "no tunnel": [published("0.0.0.0")],
    "a service without a port": [tunnel, service()],
    "the loopback": [tunnel, published("127.0.0.1")],
  },
  fails: {
    "a port of a service": [[tunnel, publishing], /80 on every address/],
    "beside the tunnel": [[tunnel, published("0.0.0.0")], /8080 on 0\.0\.0\.0/],
  },
});
