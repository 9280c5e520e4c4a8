/** The program: what a stack is. It reads like the picture in docs/architecture.md. */
import { dirname } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { Backend, PUBLIC_PORT } from "./components/backend/backend.ts";
import { Cache } from "./components/cache/cache.ts";
import { Database } from "./components/database/database.ts";
import { Edge } from "./components/edge/edge.ts";
import { Networks } from "./components/network.ts";
import { loadConfig } from "./config.ts";
import { createEngine } from "./engine.ts";

const config = loadConfig();
const engine = createEngine(config.dockerHost);
const networks = new Networks({ engine });

const database = new Database({
  engine,
  image: config.postgresImage,
  network: networks.data,
  memory: config.postgresMemory,
  cpus: config.postgresCpus,
});

const cache = new Cache({
  engine,
  image: config.redisImage,
  network: networks.data,
  memory: config.redisMemory,
  cpus: config.redisCpus,
});

const backend = new Backend({
  engine,
  repository: dirname(import.meta.dirname),
  nodeImage: config.nodeImage,
  networks: [networks.app, networks.data],
  database: database.connection,
  cache: cache.connection,
  replicas: config.backendReplicas,
  memory: config.backendMemory,
  cpus: config.backendCpus,
  startSeconds: config.backendStartSeconds,
  corsOrigins: config.corsOrigins,
  eventRetention: config.eventRetention,
  switchSeconds: config.switchSeconds,
  drainSeconds: config.drainSeconds,
  logLevel: config.logLevel,
});

const edge = new Edge({
  engine,
  image: config.nginxImage,
  networks: [networks.app, networks.public],
  bindAddress: config.bindAddress,
  httpPort: config.httpPort,
  httpsPort: config.httpsPort,
  certificateHosts: config.certificateHosts,
  certificateSerial: config.certificateSerial,
  upstreams: backend.workload.replicas,
  upstreamPort: PUBLIC_PORT,
  switchSeconds: config.switchSeconds,
  memory: config.edgeMemory,
  cpus: config.edgeCpus,
});

const host = config.bindAddress.includes(":") ? `[${config.bindAddress}]` : config.bindAddress;

/** Where the stack answers, known once it does. */
export const urls = edge.release.apply(() => ({
  http: `http://${host}:${config.httpPort}`,
  https: `https://${host}:${config.httpsPort}`,
}));

/** The containers by workload. */
export const containers = pulumi.output({
  postgres: database.names,
  redis: cache.names,
  backend: backend.names,
  edge: edge.names,
});

/** The image ids by workload. */
export const images = pulumi.output({
  postgres: database.imageId,
  redis: cache.imageId,
  backend: backend.imageId,
  edge: edge.imageId,
});

/** What the frontend reads to find its backend. */
export const runtimeConfig = urls.apply(({ https }) => ({ stack: pulumi.getStack(), apiBaseUrl: https }));
