/**
 * Rule image-digest. Tags of public images have been moved to other content before (CVE-2026-33634); a digest is the
 * content.
 */
import { isOwnImage } from "../../infra/components/backend/image.ts";
import { IMAGE, resourceRule } from "../rule.ts";

interface ImageProps {
  readonly name: string;
  readonly build?: { readonly buildArgs?: Readonly<Record<string, string>> };
}

const pinned = (name: string): boolean => /@sha256:[0-9a-f]{64}$/.test(name);

export const imageDigest = resourceRule<ImageProps>([IMAGE], {
  name: "image-digest",
  title:
    "Production runs images by digest, and builds on images by digest. The service's own image has the hash of its sources.",
  source: "CIS Docker 4.5",
  remedy:
    "Run `npm run stack -- pin NAME`, which looks up the digests and writes them as name:tag@sha256:…, and commit the stack's file.",
  environments: ["prod"],
  *check({ props, name }, { stack }) {
    if (props.build === undefined) {
      // A rollback takes an image that a deploy of this stack built. No registry has it, so it has no digest.
      const kept = name === `omniai-${stack}-backend` && isOwnImage(props.name);
      if (!kept && !pinned(props.name)) yield `the image ${props.name} is not pinned by digest.`;
      return;
    }
    for (const [key, value] of Object.entries(props.build.buildArgs ?? {})) {
      if (key.endsWith("IMAGE") && !pinned(value))
        yield `it is built on ${value}, which is not pinned by digest.`;
    }
  },
});
