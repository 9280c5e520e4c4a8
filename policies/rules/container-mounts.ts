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

/** Whoever can write there owns the host; whoever can read there knows its secrets. What lies above is no better. */
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
