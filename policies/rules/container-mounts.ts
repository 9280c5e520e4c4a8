/**
 * Rule container-mounts. Whoever can write to the system folders of the host owns it; whoever can read them knows
 * its secrets. The same holds for the folders above them.
 */
import { contains, hostPaths, MOUNTING } from "../mounts.ts";
import { resourceRule, type Props } from "../rule.ts";

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

export const containerMounts = resourceRule<Props>(MOUNTING, {
  name: "container-mounts",
  title: "No container sees the system folders of its host.",
  source: "CIS Docker 5.6",
  remedy: "Use a named volume, without driverOpts that lead to a folder.",

  *check(resource) {
    for (const path of hostPaths(resource)) {
      if (SYSTEM.some((folder) => contains(folder, path) || contains(path, folder)))
        yield `it mounts ${path} of the host.`;
    }
  },
});
