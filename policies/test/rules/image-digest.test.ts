/** The cases of rule image-digest. */
import { imageDigest } from "../../rules/image-digest.ts";
import { DIGEST, image, testRule } from "../support/cases.ts";

testRule(imageDigest, {
  passes: {
    "by digest": image({ name: `redis:8@${DIGEST}` }),
    "built on a digest": image({
      name: "omniai/backend:1",
      build: { buildArgs: { NODE_IMAGE: `node:24@${DIGEST}` } },
    }),
  },
  fails: {
    "by tag": [image({ name: "redis:8" }), /redis:8/],
    "built on a tag": [
      image({ name: "omniai/backend:1", build: { buildArgs: { NODE_IMAGE: "node:24" } } }),
      /node:24/,
    ],
  },
});
