import { hostPaths } from "../mounts.ts";
import { containerRule } from "../rule.ts";

const SYSTEM = [
  "/boot",
  "/dev",
  "/etc",
  "/lib",
  "/lib64",
  "/proc",
  "/sys",
  "/usr",
  "/root",
  "/var/lib/docker",
];

/** Whoever can write there owns the host; whoever can read there knows its secrets. */
export const containerMounts = containerRule({
  name: "container-mounts",
  title: "No container sees the system folders of its host.",
  source: "CIS Docker 5.6",
  remedy: "Use a named volume.",

  *check({ props }) {
    for (const path of hostPaths(props)) {
      const sensitive = SYSTEM.find((folder) => path === folder || path.startsWith(`${folder}/`));
      if (path === "/" || sensitive !== undefined) yield `it mounts ${path} of the host.`;
    }
  },
});
