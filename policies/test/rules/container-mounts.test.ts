import { containerMounts } from "../../rules/container-mounts.ts";
import { container, testRule } from "../support/cases.ts";

testRule(containerMounts, {
  passes: {
    "a named volume": container(),
    "a folder of data": container({ volumes: [{ hostPath: "/srv/omniai", containerPath: "/data" }] }),
  },
  fails: {
    "a folder below /etc": [
      container({ volumes: [{ hostPath: "/etc/ssl", containerPath: "/x" }] }),
      /\/etc\/ssl/,
    ],
    "the root, by mounts": [
      container({ mounts: [{ type: "bind", source: "/", target: "/x" }] }),
      /mounts \/ of/,
    ],
  },
});
