/** Images in a swarm's registry. */
import * as pulumi from "@pulumi/pulumi";
import { dockerCommand } from "./command.ts";
import type { Engine, Swarm } from "./engine.ts";

/**
 * Pushes IMAGE under the name TARGET, and prints its digest, which the registry has worked out itself: what nodes run is
 * named by that. The docker CLI does it, so that a login at the registry is the one of whoever deploys.
 */
export const PUSH_SCRIPT = `docker tag "$IMAGE" "$TARGET" || exit 1
said=$(docker push "$TARGET") || exit 1
digest=$(printf '%s\\n' "$said" | sed -n 's/^.*digest: \\(sha256:[0-9a-f]\\{64\\}\\) .*$/\\1/p' | tail -n 1)
if [ -z "$digest" ]; then
  printf '%s\\n' "$said" >&2
  echo "The registry took $TARGET and named no digest (above), so that no node can be told what to run." >&2
  exit 1
fi
printf '%s' "$digest"`;

/** Pure: where an image of the stack is in the registry. It has the workload's name, so that people find it. */
export const repositoryOf = ({ registry }: Swarm, workload: string): string =>
  `${registry}/omniai/${workload}`;

/** Pure: the first 12 digits of an image's id, by which it is tagged: another image does not move the tag of this one. */
export const tagOf = (imageId: string): string => imageId.replace(/^sha256:/, "").slice(0, 12);

/**
 * Brings an image of the engine to the registry, once for each image.
 * @returns the name by which every node has the same image: repository@sha256:…
 */
export function publishImage(
  engine: Engine & { readonly swarm: Swarm },
  workload: string,
  imageId: pulumi.Output<string>,
  parent: pulumi.Resource,
): pulumi.Output<string> {
  const repository = repositoryOf(engine.swarm, workload);
  const pushed = dockerCommand(
    `omniai-${pulumi.getStack()}-${workload}-push`,
    {
      engine,
      script: PUSH_SCRIPT,
      environment: { IMAGE: imageId, TARGET: pulumi.interpolate`${repository}:${imageId.apply(tagOf)}` },
      logging: "stderr",
    },
    { parent },
  );
  return pulumi.interpolate`${repository}@${pushed.stdout}`;
}
