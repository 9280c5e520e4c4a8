/**
 * Rule container-mounts. Whoever can write to the system folders of the host owns it; whoever can read them knows
 * its secrets. The same holds for the folders above them.
 */
import { WORKLOAD_LABEL } from "../../infra/resources/labels.ts";
import { contains, hostMounts, MOUNTING } from "../mounts.ts";
import {
  CONTAINER,
  labelOf,
  resourceRule,
  type ContainerProps,
  type Inspected,
  type Props,
} from "../rule.ts";

const SYSTEM = [
  "/bin",
  "/boot",
  "/dev",
  "/etc",
  "/lib",
  "/lib32",
  "/lib64",
  "/proc",
  "/root",
  "/run",
  "/sbin",
  "/sys",
  "/usr",
  "/var/lib/containerd",
  "/var/lib/docker",
  "/var/run",
];

/**
 * What may be read, and by which workload (docs/decisions/0060-monitoring.md). Control groups show numbers to every user
 * of the host, and no file of anybody. The engine's logs are for the one that collects them: it is not root, so it reads
 * only the logs whose exact place a deploy tells it.
 */
const readable: Readonly<Record<string, string>> = {
  "/sys/fs/cgroup": "reader",
  "/var/lib/docker/containers": "vlagent",
};

/** A volume of the host has no workload, and is none of the above. */
const workloadOf = ({ type, props }: Inspected): string =>
  (type === CONTAINER && labelOf((props as unknown as ContainerProps).labels, WORKLOAD_LABEL)) || "none";

export const containerMounts = resourceRule<Props>(MOUNTING, {
  name: "container-mounts",
  title: "No container sees the system folders of its host.",
  source: "CIS Docker 5.6",
  remedy: "Use a named volume, without driverOpts that lead to a folder.",

  *check(resource) {
    for (const { path, readOnly } of hostMounts(resource)) {
      if (readOnly && readable[path] === workloadOf(resource)) continue;
      if (SYSTEM.some((folder) => contains(folder, path) || contains(path, folder)))
        yield `it mounts ${path} of the host.`;
    }
  },
});
