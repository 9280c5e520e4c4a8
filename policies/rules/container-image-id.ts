/** Rule container-image-id. A tag can move to other content, and a name shows as a change in every preview. */
import { containerRule } from "../rule.ts";

export const containerImageId = containerRule({
  name: "container-image-id",
  title: "A container runs an image by id or digest, never by a name that can move.",
  source: "CIS Docker 5.28",
  remedy: "Take `image` from RemoteImage.imageId or repoDigest.",

  *check({ props }) {
    const { image } = props;
    if (!/^sha256:[0-9a-f]{64}$|@sha256:[0-9a-f]{64}$/.test(image))
      yield `its image is ${JSON.stringify(image)}, which can move.`;
  },
});
