/** The program: what a stack is. It reads like the picture in docs/architecture.md. */
import { dirname, join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { Backend, INTERNAL_PORT, PUBLIC_PORT } from "./components/backend/backend.ts";
import { backendArgs } from "./components/backend/config.ts";
import { BUILD_VARIABLE } from "./components/backend/image.ts";
import { Backup, BACKUP_METRICS_PORT, STATUS_URL } from "./components/backup/backup.ts";
import { backupArgs, hasBackups } from "./components/backup/config.ts";
import { Cache } from "./components/cache/cache.ts";
import { cacheArgs } from "./components/cache/config.ts";
import { externalCache } from "./components/cache/external.ts";
import { CERTIFICATES_METRICS_PORT, certificatesArgs } from "./components/certificates/config.ts";
import { databaseArgs } from "./components/database/config.ts";
import { Database } from "./components/database/database.ts";
import { externalBackup, externalDatabase } from "./components/database/external.ts";
import { edgeArgs } from "./components/edge/config.ts";
import { Edge } from "./components/edge/edge.ts";
import { keepAliveLadder } from "./components/edge/ladder.ts";
import { planEdgeMemory } from "./components/edge/memory.ts";
import { HTTP_PORT, HTTPS_PORT } from "./components/edge/nginx.ts";
import { hostArgs } from "./components/host/config.ts";
import { Host } from "./components/host/host.ts";
import { isMonitored, monitoringArgs } from "./components/monitoring/config.ts";
import { PUSH_GATE_LIVE_URL } from "./components/monitoring/push-gate.ts";
import { ALERTS_URLS } from "./components/monitoring/plan.ts";
import { Networks } from "./components/network/network.ts";
import { overlaySubnetFor, subnetFor } from "./components/network/subnet.ts";
import { offsiteArgs } from "./components/offsite/args.ts";
import { pageSettings, pagesArgs } from "./components/pages/config.ts";
import { OWN_ORIGIN, renderRuntimeConfig } from "../frontend/publish/runtime-config.ts";
import { siteFiles } from "../frontend/publish/site.ts";
import { swarmOf } from "./components/swarm/config.ts";
import { CONNECTOR_METRICS_PORT } from "./components/tunnel/connector.ts";
import { tunnelArgs } from "./components/tunnel/config.ts";
import { loadConfig } from "./config/config.ts";
import { environmentOf } from "./config/policy-settings.ts";
import { planPublicAccess } from "./config/public-access.ts";
import { createEngine } from "./resources/engine.ts";
import { tasksOf } from "./service-name.ts";

// Pulumi takes a stack trace for every promise and maps it by source maps. Node only replaces the types by blanks, so
// there is nothing to map, and the stack that serves beside this program can use the time.
Reflect.deleteProperty(Error, "prepareStackTrace");

const REPOSITORY = dirname(import.meta.dirname);
const config = loadConfig();
const access = planPublicAccess(config, environmentOf(pulumi.getStack(), config.environment));
const PREPARED = config.hostPrepare ? new Host(hostArgs(config, access.ipv6)).ready : [];
const swarm = swarmOf(config);
const engine = createEngine(config.dockerHost, PREPARED, swarm);
const networks = new Networks({
  engine,
  encrypted: config.overlayEncrypted,
  accessSubnet: access.ipv6 ? config.accessSubnet : undefined,
  offsite: config.offsiteBucket !== "",
  monitoring: isMonitored(pulumi.getStack(), config)
    ? { tells: config.alertReceivers.length > 0 || config.watchdogSecretUrl !== undefined }
    : undefined,
  tunnelSubnet: config.tunnelEnabled
    ? config.tunnelSubnet || (swarm ? overlaySubnetFor : subnetFor)(pulumi.getStack())
    : undefined,
});

const BACKED_UP = hasBackups(pulumi.getStack(), config);

/** Undefined where others run it. */
const database =
  config.database === "external"
    ? undefined
    : new Database({
        engine,
        network: networks.data,
        backups: BACKED_UP,
        ...databaseArgs(config),
      });
// The replicas' way out: the data network has none.
const connection = database?.connection ?? externalDatabase(config, networks.migration);

/** Undefined where others run it. */
const cache =
  config.redis === "external"
    ? undefined
    : new Cache({
        engine,
        network: networks.data,
        backups: BACKED_UP,
        ...cacheArgs(config),
      });

const backend = new Backend({
  engine,
  repository: REPOSITORY,
  build: process.env[BUILD_VARIABLE],
  networks: [
    ...new Set([networks.app, networks.data]),
    ...(networks.monitoring ? [networks.monitoring.metrics] : []),
  ],
  database: connection,
  cache: cache?.connection ?? externalCache(config),
  surroundings: {
    backups: BACKED_UP ? STATUS_URL : undefined,
    alerts: networks.monitoring && ALERTS_URLS,
    pushGate: networks.monitoring && PUSH_GATE_LIVE_URL,
    edgeTls: `edge:${HTTPS_PORT}`,
    tunnel: access.urls.public,
  },
  corsOrigins: access.corsOrigins,
  ...backendArgs(config),
});

/** The page that the edge serves beside the API; none where it is elsewhere. */
const PAGE_FILES = access.isPageAtEdge
  ? siteFiles(
      join(REPOSITORY, "frontend"),
      renderRuntimeConfig(pulumi.getStack(), { apiBaseUrl: OWN_ORIGIN }, pageSettings(config)),
      // For GitHub alone.
    ).filter(({ path }) => path !== ".nojekyll")
  : [];

const edgeSettings = {
  engine,
  networks: [
    ...new Set([networks.app, networks.public]),
    ...(networks.access ? [networks.access] : []),
    ...(networks.tunnel ? [networks.tunnel.tunnel] : []),
  ],
  publishPorts: access.publishPorts,
  ipv6: access.ipv6,
  upstreamPort: PUBLIC_PORT,
  corsOrigins: access.corsOrigins,
  hosts: access.hosts,
  page: PAGE_FILES,
  realIp: networks.tunnel?.realIp,
  ...edgeArgs(config),
};

// Loaded only for a stack on a swarm.
const edge = swarm
  ? new (await import("./components/edge/service.ts")).EdgeService({
      ...edgeSettings,
      upstream: {
        name: tasksOf(pulumi.getStack(), "backend"),
        replicas: config.backendReplicas,
        ready: backend.workload,
      },
    })
  : new Edge({ ...edgeSettings, upstreams: backend.replicas, upstreamNetwork: networks.app });

// Loaded only for a stack with an authority's certificates.
const acme = certificatesArgs(config);
const certificates =
  acme && edge.handover
    ? new (await import("./components/certificates/certificates.ts")).Certificates({
        engine,
        networks: [networks.public, ...(networks.monitoring ? [networks.monitoring.metrics] : [])],
        handover: edge.handover,
        ...acme,
      })
    : undefined;

// Loaded only for a stack with a tunnel, because the package of the provider is large.
const tunnel = networks.tunnel
  ? new (await import("./components/tunnel/tunnel.ts")).Tunnel({
      engine,
      filesImage: edge.imageId,
      networks: networks.tunnel,
      metricsNetwork: networks.monitoring?.connectors,
      service: `http://edge:${HTTP_PORT}`,
      edge,
      edgeKeepaliveSeconds: keepAliveLadder(config.switchSeconds).edge,
      page: access.pageRecord,
      pagePaths: PAGE_FILES.map(({ path }) => path),
      ...tunnelArgs(config),
    })
  : undefined;

// After the tunnel, whose bucket may be where copies go.
const backup =
  database || BACKED_UP
    ? new Backup({
        engine,
        baseImages: { postgres: config.postgresImage, redis: config.redisImage },
        baseImageIds: { postgres: database?.imageId, redis: cache?.imageId },
        network: networks.data,
        metricsNetwork: networks.monitoring?.metrics,
        egress: networks.offsite,
        offsite: offsiteArgs(config, tunnel?.bucket),
        database: database ? database.backup : externalBackup(connection),
        cache: cache?.backup,
        certificates: certificates?.copy,
        postgres: database && { names: database.names, identity: database.connection.identity },
        ...backupArgs(config),
      }).room
    : undefined;

// Loaded only for a stack that is watched. Last, so that nothing waits for it.
const monitoring = networks.monitoring
  ? new (await import("./components/monitoring/monitoring.ts")).Monitoring({
      engine,
      filesImage: edge.imageId,
      networks: networks.monitoring,
      replicas: backend.replicas,
      replicaPort: INTERNAL_PORT,
      pushHook: backend.pushHook,
      backupPort: BACKUP_METRICS_PORT,
      connectorPort: CONNECTOR_METRICS_PORT,
      certificatesPort: CERTIFICATES_METRICS_PORT,
      certificateEnds: certificates ? undefined : edge.certificateEnds,
      edgeConnections: planEdgeMemory(edgeSettings.memory).clients,
      workloads: {
        ...(database ? { postgres: database.replicas } : {}),
        ...(cache ? { redis: cache.replicas } : {}),
        edge: edge.replicas,
        ...(backup ? { backup: backup.replicas } : {}),
        ...(tunnel ? { cloudflared: tunnel.replicas } : {}),
        ...(certificates ? { certificates: certificates.replicas } : {}),
      },
      ...monitoringArgs(config),
    })
  : undefined;

/** Where the stack answers, known once it does. */
export const urls = pulumi.all([edge.release, tunnel?.hostname]).apply(() => access.urls);

/** The containers by workload, or in a swarm the services: there containers come and go by themselves. */
const names = pulumi.output({
  ...(database ? { postgres: database.names } : {}),
  ...(cache ? { redis: cache.names } : {}),
  ...(backup ? { backup: backup.names } : {}),
  ...(backup?.gate ? { offsite: backup.gate } : {}),
  backend: backend.names,
  edge: edge.names,
  ...(certificates ? { certificates: certificates.names } : {}),
  ...(tunnel ? { cloudflared: tunnel.names } : {}),
  ...monitoring?.names,
});

export const containers = swarm ? {} : names;
export const services = swarm ? names : {};

/** The image ids by workload. */
export const images = pulumi.output({
  ...(database ? { postgres: database.imageId } : {}),
  ...(cache ? { redis: cache.imageId } : {}),
  ...(backup ? { backup: backup.imageId } : {}),
  backend: backend.imageId,
  edge: edge.imageId,
  ...(certificates ? { certificates: certificates.imageId } : {}),
  ...(tunnel ? { cloudflared: tunnel.imageId } : {}),
  ...monitoring?.imageIds,
});

/**
 * When the certificate that the edge generates for itself ends; `npm run status` tells in time. Empty with an authority's,
 * of which the room for certificates knows.
 */
export const certificate = certificates ? {} : { ends: edge.certificateEnds };

/** The way in through Cloudflare, and where off-site backups go; empty without a tunnel. */
export const cloudflare = tunnel
  ? { tunnelId: tunnel.id, hostname: tunnel.hostname, backupBucket: tunnel.bucket }
  : {};

/** What the frontend reads to find its backend, known once it answers. */
export const runtimeConfig = urls.apply(() =>
  renderRuntimeConfig(pulumi.getStack(), access, pageSettings(config)),
);

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
