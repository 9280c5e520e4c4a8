/** The cases of rule data-network. */
import { dataNetwork } from "../../rules/data-network.ts";
import { container, network, volume, testRule } from "../support/cases.ts";

const VOLUMES = [{ volumeName: "omniai-prod-redis-data", containerPath: "/data" }];
const STACK = [
  network("omniai-prod-data", true),
  network("omniai-prod-app", false),
  volume("omniai-prod-redis-data", {
    name: "omniai-prod-redis-data",
    labels: [{ label: "io.omniai.data", value: "true" }],
  }),
];

testRule(dataNetwork, {
  passes: {
    "an internal one": [
      ...STACK,
      container({ volumes: VOLUMES, networksAdvanced: [{ name: "omniai-prod-data" }] }),
    ],
    "no data": [...STACK, container()],
  },
  fails: {
    "one with a way out": [
      [...STACK, container({ volumes: VOLUMES, networksAdvanced: [{ name: "omniai-prod-app" }] })],
      /omniai-prod-app is not internal/,
    ],
  },
});
