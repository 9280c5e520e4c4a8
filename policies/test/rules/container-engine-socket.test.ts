/** The cases of rule container-engine-socket. */
import { containerEngineSocket } from "../../rules/container-engine-socket.ts";
import { container, testRule, volume } from "../support/cases.ts";

testRule(containerEngineSocket, {
  passes: {
    none: container(),
    "a folder of /var that is data": container({
      volumes: [{ hostPath: "/var/lib/omniai", containerPath: "/data" }],
    }),
  },
  fails: {
    mounted: [
      container({ volumes: [{ hostPath: "/var/run/docker.sock", containerPath: "/x", readOnly: true }] }),
      /docker.sock/,
    ],
    "by a volume": [
      volume("run", { driverOpts: { type: "none", o: "bind", device: "/var/run/docker.sock" } }),
      /docker.sock/,
    ],
    "written in another way": [
      container({ volumes: [{ hostPath: "//var/run/../run/", containerPath: "/x" }] }),
      /\/var\/run/,
    ],
    "what is above": [container({ mounts: [{ type: "bind", source: "/var", target: "/host" }] }), /\/var/],
    "what containerd has": [
      container({ volumes: [{ volumeName: "/run/containerd", containerPath: "/x" }] }),
      /containerd/,
    ],
    "its folder": [container({ mounts: [{ type: "bind", source: "/run", target: "/host" }] }), /\/run/],
  },
});
