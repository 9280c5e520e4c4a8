/** The program: what a stack is. It reads like the picture in docs/architecture.md. */
import { dirname, join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { Backend, PUBLIC_PORT } from "./components/backend/backend.ts";
import { backendArgs } from "./components/backend/config.ts";
import { BUILD_VARIABLE } from "./components/backend/image.ts";
import { Cache } from "./components/cache/cache.ts";
import { cacheArgs } from "./components/cache/config.ts";
import { databaseArgs } from "./components/database/config.ts";
import { Database } from "./components/database/database.ts";
import { edgeArgs } from "./components/edge/config.ts";
import { Edge } from "./components/edge/edge.ts";
import { keepAliveLadder } from "./components/edge/ladder.ts";
import { HTTP_PORT } from "./components/edge/nginx.ts";
import { hostArgs } from "./components/host/config.ts";
import { Host } from "./components/host/host.ts";
import { Networks } from "./components/network/network.ts";
import { subnetFor } from "./components/network/subnet.ts";
import { pagesArgs } from "./components/pages/config.ts";
import { renderRuntimeConfig } from "./components/pages/runtime-config.ts";
import { tunnelArgs } from "./components/tunnel/config.ts";
import { loadConfig } from "./config/config.ts";
import { planPublicAccess } from "./config/public-access.ts";
import { createEngine } from "./resources/engine.ts";

// Pulumi takes a stack trace for every promise and maps it by source maps. Node only replaces the types by blanks, so
// there is nothing to map, and the stack that serves beside this program can use the time.
Reflect.deleteProperty(Error, "prepareStackTrace");

const REPOSITORY = dirname(import.meta.dirname);
const config = loadConfig();
const PREPARED = config.hostPrepare ? new Host(hostArgs(config)).ready : [];
const engine = createEngine(config.dockerHost, PREPARED);
const access = planPublicAccess(config);
const networks = new Networks({
  engine,
  tunnelSubnet: config.tunnelEnabled ? config.tunnelSubnet || subnetFor(pulumi.getStack()) : undefined,
});

const database = new Database({ engine, network: networks.data, ...databaseArgs(config) });

const cache = new Cache({ engine, network: networks.data, ...cacheArgs(config) });

const backend = new Backend({
  engine,
  repository: REPOSITORY,
  build: process.env[BUILD_VARIABLE],
  networks: [networks.app, networks.data],
  database: database.connection,
  cache: cache.connection,
  corsOrigins: access.corsOrigins,
  ...backendArgs(config),
});

const edge = new Edge({
  engine,
  networks: [networks.app, networks.public, ...(networks.tunnel ? [networks.tunnel.tunnel] : [])],
  publishPorts: access.publishPorts,
  upstreams: backend.workload.replicas,
  upstreamNetwork: networks.app,
  upstreamPort: PUBLIC_PORT,
  corsOrigins: access.corsOrigins,
  hosts: access.hosts,
  realIp: networks.tunnel?.realIp,
  ...edgeArgs(config),
});

// Loaded only for a stack with a tunnel, because the package of the provider is large.
const tunnel = networks.tunnel
  ? new (await import("./components/tunnel/tunnel.ts")).Tunnel({
      engine,
      filesImage: edge.imageId,
      networks: networks.tunnel,
      service: `http://edge:${HTTP_PORT}`,
      edge,
      edgeKeepaliveSeconds: keepAliveLadder(config.switchSeconds).edge,
      page: access.pageRecord,
      ...tunnelArgs(config),
    })
  : undefined;

/** Where the stack answers, known once it does. */
export const urls = pulumi.all([edge.release, tunnel?.hostname]).apply(() => access.urls);

/** The containers by workload. */
export const containers = pulumi.output({
  postgres: database.names,
  redis: cache.names,
  backend: backend.names,
  edge: edge.names,
  ...(tunnel ? { cloudflared: tunnel.names } : {}),
});

/** The image ids by workload. */
export const images = pulumi.output({
  postgres: database.imageId,
  redis: cache.imageId,
  backend: backend.imageId,
  edge: edge.imageId,
  ...(tunnel ? { cloudflared: tunnel.imageId } : {}),
});

/** The way in through Cloudflare, and where off-site backups go; empty without a tunnel. */
export const cloudflare = tunnel
  ? { tunnelId: tunnel.id, hostname: tunnel.hostname, backupBucket: tunnel.bucket }
  : {};

/** What the frontend reads to find its backend, known once it answers. */
export const runtimeConfig = urls.apply(() => renderRuntimeConfig(pulumi.getStack(), access));

const pages = config.pagesEnabled
  ? new (await import("./components/pages/pages.ts")).Pages({
      frontend: join(REPOSITORY, "frontend"),
      runtimeConfig,
      dependsOn: tunnel ? [tunnel] : [],
      ...pagesArgs(config),
    })
  : undefined;

/** Where the page is; empty when the program publishes none. */
export const page = pages ? { url: pages.url, origin: access.pageOrigin } : {};
