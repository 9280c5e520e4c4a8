import { containerEngineSocket } from "../../rules/container-engine-socket.ts";
import { container, testRule } from "../support/cases.ts";

testRule(containerEngineSocket, {
  passes: {
    none: container(),
  },
  fails: {
    mounted: [
      container({ volumes: [{ hostPath: "/var/run/docker.sock", containerPath: "/x", readOnly: true }] }),
      /docker.sock/,
    ],
    "its folder": [container({ mounts: [{ type: "bind", source: "/run", target: "/host" }] }), /\/run/],
  },
});
