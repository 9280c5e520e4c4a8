/** Which container stands for a planned one, where a deploy that failed has left two. */
import type { ContainerInspectInfo } from "dockerode";
import { REPLICA_LABEL, WORKLOAD_LABEL } from "../../../infra/resources/labels.ts";
import { OpsError } from "../../terminal/errors.ts";
import { npmRun } from "../../terminal/npm-run.ts";

type Labels = Readonly<Record<string, string>>;

/** Pure: running, and healthy by its own check. Every container of a stack has one. */
export const isHealthy = ({ State }: ContainerInspectInfo): boolean =>
  State.Status === "running" && State.Health?.Status === "healthy";

/** Pure: what tells the containers of a stack apart; undefined for one that only helps, and is no part of the program. */
const placeOf = (labels: Labels): string | undefined => {
  const [workload, replica] = [labels[WORKLOAD_LABEL], labels[REPLICA_LABEL]];
  return workload === undefined || replica === undefined ? undefined : `${workload} ${replica}`;
};

/**
 * Pure: the container to adopt for a planned one; undefined when there is none. A healthy one comes first, because what is
 * left out is removed by the next update before that has made anything. Then one of the planned image, then the newest.
 * @param labels of the planned container. @param image the id of its image.
 */
export function best(
  containers: readonly ContainerInspectInfo[],
  labels: Labels,
  image: unknown,
): ContainerInspectInfo | undefined {
  const place = placeOf(labels);
  return containers
    .filter(({ Config }) => place !== undefined && placeOf(Config.Labels) === place)
    .sort(
      (left, right) =>
        Number(isHealthy(right)) - Number(isHealthy(left)) ||
        Number(right.Image === image) - Number(left.Image === image) ||
        right.Created.localeCompare(left.Created),
    )[0];
}

/**
 * Pure. The state can know one container of a replica, and the edge may send requests to the other.
 * @throws OpsError where two containers of one replica are healthy
 */
export function refuseTwins(containers: readonly ContainerInspectInfo[], stack: string): void {
  const healthy = Map.groupBy(
    containers.filter((one) => isHealthy(one) && placeOf(one.Config.Labels) !== undefined),
    ({ Config }) => placeOf(Config.Labels) ?? "",
  );
  const twins = [...healthy].filter(([, { length }]) => length > 1);
  if (twins.length === 0) return;
  const names = twins.map(
    ([place, ones]) =>
      `${place}: ${ones.map(({ Name, Created }) => `${Name.replace(/^\//, "")} (made ${Created.slice(0, 19)})`).join(", ")}`,
  );
  throw new OpsError(
    `More than one container is healthy where stack ${stack} has one, as after a deploy that was cut off: ${names.join("; ")}. ` +
      "The state can know only one of them, and the next deploy removes the other at once. Nothing was changed.",
    `See which of them the edge sends requests to: docker exec omniai-${stack}-edge grep "server " /var/lib/edge/current/nginx.conf\n` +
      `  Stop the others (docker stop NAME), and run: ${npmRun("adopt", stack)}`,
  );
}
