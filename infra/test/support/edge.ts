/** What an edge of two replicas with a proxy in front is told. */
import { keepAliveLadder } from "../../components/edge/ladder.ts";
import type { EdgeConfig } from "../../components/edge/nginx.ts";

export const edge: EdgeConfig = {
  upstreams: [
    { name: "backend-1-a", address: "172.20.0.3" },
    { name: "backend-2-b", address: "172.20.0.4" },
  ],
  upstreamPort: 8000,
  release: "abc",
  tls: true,
  keepAlive: keepAliveLadder(10),
  responseSeconds: 5,
  corsOrigins: ["https://owner.github.io"],
  resourcePolicy: "cross-origin",
  hosts: ["api.example.org"],
  limits: { connections: 2000, requestRate: 1000, streams: 1000, streamRate: 200 },
  realIp: { from: ["172.30.0.0/24"], header: "CF-Connecting-IP" },
  memory: 512,
};
