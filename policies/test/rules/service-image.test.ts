/** The cases of rule service-image. */
import { serviceImage } from "../../rules/service-image.ts";
import { service, testRule } from "../support/cases.ts";

testRule(serviceImage, {
  passes: {
    "a digest in a registry": service(),
  },
  fails: {
    "a tag": [service({ image: "registry.example.org/x:1" }), /registry\.example\.org\/x:1/],
    "an image id, which only one node has": [
      service({ image: `sha256:${"0".repeat(64)}` }),
      /other nodes lack it/,
    ],
  },
});
