/** The cases of rule data-network. */
import { dataNetwork } from "../../rules/data-network.ts";
import { container, network, volume, testRule } from "../support/cases.ts";

const volumes = [{ volumeName: "omniai-prod-redis-data", containerPath: "/data" }];
const stack = [
  network("omniai-prod-data", true),
  network("omniai-prod-app", false),
  volume("omniai-prod-redis-data", {
    name: "omniai-prod-redis-data",
    labels: [{ label: "io.omniai.data", value: "true" }],
  }),
];

testRule(dataNetwork, {
  passes: {
    "an internal one": [...stack, container({ volumes, networksAdvanced: [{ name: "omniai-prod-data" }] })],
    "no data": [...stack, container()],
  },
  fails: {
    "one with a way out": [
      [...stack, container({ volumes, networksAdvanced: [{ name: "omniai-prod-app" }] })],
      /omniai-prod-app is not internal/,
    ],
  },
});
