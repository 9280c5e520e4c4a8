/** Rule service-endpoint. Virtual addresses and the mesh of ports lose requests when tasks change, and need a kernel module that not every node has (docs/decisions/0095-swarm.md). */
import { serviceRule } from "../rule.ts";

export const serviceEndpoint = serviceRule({
  name: "service-endpoint",
  title: "A service is found by the addresses of its tasks, and never by a virtual one.",
  source: "docker/cli#2274, moby#35082, moby#52661",
  remedy: "Set endpointSpec.mode to dnsrr.",

  *check({ props }) {
    const mode = props.endpointSpec?.mode;
    if (mode !== "dnsrr") yield `its endpoint mode is ${mode ?? "not set, which is vip"}.`;
  },
});
