/** The cases of rule service-ports. */
import { servicePorts } from "../../rules/service-ports.ts";
import { service, testRule } from "../support/cases.ts";

testRule(servicePorts, {
  passes: {
    none: service(),
    "the edge's own": service(
      {},
      {},
      { name: "omniai-prod-edge" },
      {
        endpointSpec: {
          mode: "dnsrr",
          ports: [{ targetPort: 8080, publishedPort: 80, publishMode: "host" }],
        },
      },
    ),
  },
  fails: {
    "in the mesh": [
      service(
        {},
        {},
        { name: "omniai-prod-edge" },
        {
          endpointSpec: {
            mode: "vip",
            ports: [{ targetPort: 8080, publishedPort: 80, publishMode: "ingress" }],
          },
        },
      ),
      /80 is published in the mesh/,
    ],
    "beside the edge": [
      service(
        {},
        {},
        {},
        {
          endpointSpec: {
            mode: "dnsrr",
            ports: [{ targetPort: 8000, publishedPort: 8000, publishMode: "host" }],
          },
        },
      ),
      /publishes the port 8000/,
    ],
  },
});
