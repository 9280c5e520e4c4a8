/** The cases of rule container-image-id. */
import { containerImageId } from "../../rules/container-image-id.ts";
import { container, DIGEST, testRule } from "../support/cases.ts";

testRule(containerImageId, {
  passes: {
    "an id": container(),
    "a digest": container({ image: `redis@${DIGEST}` }),
  },
  fails: {
    "a tag": [container({ image: "redis:8" }), /redis:8.*can move/],
  },
});
