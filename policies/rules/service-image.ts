/** Rule service-image. A node pulls its image when it gets its first task, today or in a year: only a digest is the same then, and only a registry has it. */
import { serviceRule } from "../rule.ts";

export const serviceImage = serviceRule({
  name: "service-image",
  title: "A service runs an image by its digest in a registry.",
  source: "CIS Docker 5.28",
  remedy: "Take the image from useImage or publishImage (infra/resources).",

  *check({ props }) {
    const { image } = props.taskSpec.containerSpec;
    if (!/^[^/]*[.:][^/]*\/.+@sha256:[0-9a-f]{64}$|^localhost\/.+@sha256:[0-9a-f]{64}$/.test(image))
      yield `its image is ${JSON.stringify(image)}: other nodes lack it, or may have another one.`;
  },
});
