/** The cases of rule image-digest. */
import { imageDigest } from "../../rules/image-digest.ts";
import { IMAGE } from "../../rule.ts";
import { DIGEST, image, resource, testRule } from "../support/cases.ts";

const backend = (name: string) => resource(IMAGE, "omniai-prod-backend", { name });

testRule(imageDigest, {
  passes: {
    "by digest": image({ name: `redis:8@${DIGEST}` }),
    "built on a digest": image({
      name: "omniai/backend:1",
      build: { buildArgs: { NODE_IMAGE: `node:24@${DIGEST}` } },
    }),
    "the service's own image, which a rollback takes": backend("omniai/backend:0123456789abcdef"),
  },
  fails: {
    "the own image's name for another workload": [
      image({ name: "omniai/backend:0123456789abcdef" }),
      /0123456789abcdef/,
    ],
    "another image for the service": [backend("evil/backend:0123456789abcdef"), /evil/],
    "a registry's image with the own name": [backend("ghcr.io/omniai/backend:0123456789abcdef"), /ghcr/],
    "a tag that is no hash": [backend("omniai/backend:latest"), /latest/],
    "by tag": [image({ name: "redis:8" }), /redis:8/],
    "built on a tag": [
      image({ name: "omniai/backend:1", build: { buildArgs: { NODE_IMAGE: "node:24" } } }),
      /node:24/,
    ],
  },
});
