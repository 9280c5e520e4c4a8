/** The cases of rule data-volume. */
import { dataVolume } from "../../rules/data-volume.ts";
import { volume, testRule } from "../support/cases.ts";

testRule(dataVolume, {
  passes: {
    "protected and named": volume(
      "omniai-prod-redis-data",
      { name: "omniai-prod-redis-data", labels: [{ label: "io.omniai.data", value: "true" }] },
      { options: { protect: true } },
    ),
    "no data": volume("omniai-prod-edge-releases", { name: "omniai-prod-edge-releases", labels: [] }),
  },
  fails: {
    "not protected": [
      volume("omniai-prod-redis-data", {
        name: "omniai-prod-redis-data",
        labels: [{ label: "io.omniai.data", value: "true" }],
      }),
      /not protected/,
    ],
    "a name that the engine makes up": [
      volume(
        "omniai-prod-queue",
        { name: "omniai-prod-queue-0a1b2c3", labels: [{ label: "io.omniai.data", value: "true" }] },
        { options: { protect: true } },
      ),
      /no fixed name/,
    ],
  },
});
