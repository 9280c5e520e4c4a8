/** The routes of /api/diag. */
import { Router, type RequestHandler, type Response } from "express";
import type pg from "pg";
import type { Config } from "../platform/env/config.ts";
import type { LogReader } from "../events/stream/reader.ts";
import type { Streams } from "../events/stream/streams.ts";
import type { Checks } from "../health/checks.ts";
import type { Migration } from "../migrate/files.ts";
import { methodNotAllowed } from "../platform/problems.ts";
import type { RedisLink } from "../platform/redis.ts";
import { remembered } from "../platform/remembered.ts";
import { sendText } from "../platform/send-text.ts";
import { validated } from "../platform/validate.ts";
import type { ProviderMonitor, ProviderState } from "../providers/monitor.ts";
import type { ReportStore } from "../reports/store.ts";
import { alertsDiag } from "./alerts.ts";
import { backupsDiag } from "./backups.ts";
import { certificateDiag } from "./certificate.ts";
import { pageOf } from "./connections.ts";
import { OLDEST_PAGE_LEVEL } from "./page-level.ts";
import { databaseDiag, KEEP_MS, redisDetails, redisDiag } from "./diag.ts";
import type { ReplicaRegistry } from "./replica-registry.ts";
import { connectionsQuerySchema, type Connection, type Diag, type Uptime } from "./schema.ts";
import { databaseDetails } from "./statements.ts";
import { summarise } from "./summary.ts";
import { tunnelDiag } from "./tunnel.ts";
import type { UptimeRecord } from "./uptime.ts";

export interface DiagSource {
  readonly config: Config;
  readonly pool: pg.Pool;
  /** Undefined where there is no Redis. */
  readonly redis: RedisLink | undefined;
  readonly reader: LogReader;
  readonly streams: Streams;
  readonly checks: Checks;
  readonly isDraining: () => boolean;
  readonly migrations: readonly Migration[];
  readonly reports: ReportStore;
  readonly providers: ProviderMonitor;
  readonly registry: ReplicaRegistry;
  readonly uptime: UptimeRecord;
  /** Who may see sizes, statements, addresses and single connections. */
  readonly maySeeAll: (response: Response) => boolean;
}

/** The longest that an answer waits for the providers, in ms. */
const PROVIDER_WAIT_MS = 300;
const DETAIL_DEADLINE_MS = 800;
/** Sizes and statements change slowly and cost more to find out, so they are kept for longer, in ms. */
const KEEP_DETAILS_MS = 10_000;

/** Pages ask for the summary again and again, each for itself. Its `time` says how old it is; in ms. */
const KEEP_SUMMARY_MS = 100;

/** Everybody may see the state. Addresses, messages of errors and single streams are for authorised users. */
export function diagRouter(source: DiagSource): Router {
  const router = Router();
  const onlyGet = methodNotAllowed("GET", "HEAD", "OPTIONS");
  const redis = remembered(() => redisDiag(source.redis), KEEP_MS);
  router.route("/").get(getDiag(source, redis)).all(onlyGet);
  router.route("/health-summary").get(getSummary(source, redis)).all(onlyGet);
  router.route("/uptime").get(getUptime(source)).all(onlyGet);
  router.route("/connections").get(getConnections(source)).all(onlyGet);
  return router;
}

function getDiag(source: DiagSource, redis: () => ReturnType<typeof redisDiag>): RequestHandler {
  const { config, pool, reader, streams, checks, isDraining, migrations, reports, providers } = source;
  const database = remembered(() => databaseDiag(pool, migrations), KEEP_MS);
  const databaseMore = remembered(() => databaseDetails(pool, DETAIL_DEADLINE_MS), KEEP_DETAILS_MS);
  const redisMore = remembered(() => redisDetails(source.redis), KEEP_DETAILS_MS);
  const around = surroundings(config.surroundings);
  const quality = remembered(
    () => reports.quality(DETAIL_DEADLINE_MS).catch(() => undefined),
    KEEP_DETAILS_MS,
  );
  const topErrors = remembered(
    () => reports.topErrors(DETAIL_DEADLINE_MS).catch(() => undefined),
    KEEP_DETAILS_MS,
  );
  return async (_request, response) => {
    const isAll = source.maySeeAll(response);
    const [
      databasePart,
      redisPart,
      databaseAll,
      redisAll,
      aroundAll,
      providerStates,
      qualityPart,
      errorsAll,
    ] = await Promise.all([
      database(),
      redis(),
      isAll ? databaseMore() : {},
      isAll ? redisMore() : {},
      isAll ? around() : undefined,
      providers.states(PROVIDER_WAIT_MS),
      quality(),
      isAll ? topErrors() : undefined,
    ]);
    const body: Diag = {
      status: isDraining() ? "fail" : checks.status,
      service: "omniai",
      stack: config.stack,
      version: config.version,
      build: config.build,
      commit: config.commit,
      replica: config.replica,
      time: new Date().toISOString(),
      uptimeSeconds: Math.round(process.uptime()),
      draining: isDraining(),
      auth: { mode: config.auth.mode },
      database: { ...databasePart, ...databaseAll },
      redis: { ...redisPart, ...redisAll },
      events: { reader: reader.status.state, streams: streams.size },
      providers: providerStates.map((state) => (isAll ? withAll(state) : withoutInside(state))),
      ...aroundAll,
      quality: qualityPart && { ...qualityPart, topErrors: errorsAll },
    };
    response.set("Cache-Control", "no-store").json(body);
  };
}

/** What is around the service, each asked where it is; the answers are kept, each for itself. */
function surroundings(at: Config["surroundings"]): () => Promise<Surroundings> {
  const backups = remembered(() => backupsDiag(at.backupStatusUrl), KEEP_DETAILS_MS);
  const alerts = remembered(() => alertsDiag(at.alertsUrls), KEEP_DETAILS_MS);
  const certificate = remembered(() => certificateDiag(at.edgeTls), KEEP_DETAILS_MS);
  const tunnel = remembered(() => tunnelDiag(at.tunnelUrl), KEEP_DETAILS_MS);
  return async () => {
    const found = await Promise.all([backups(), alerts(), certificate(), tunnel()]);
    return { backups: found[0], alerts: found[1], certificate: found[2], tunnel: found[3] };
  };
}

type Surroundings = Required<Pick<Diag, "backups" | "alerts" | "certificate" | "tunnel">>;

const withAll = (state: ProviderState): Diag["providers"][number] => ({
  ...state,
  models: state.models && [...state.models],
});
const withoutInside = ({ name, status }: ProviderState): Diag["providers"][number] => ({ name, status });

function getSummary(source: DiagSource, redis: () => ReturnType<typeof redisDiag>): RequestHandler {
  const { config, checks, isDraining, providers } = source;
  const latest = remembered(async () => {
    const { status, verdict, reasons } = summarise({
      isDraining: isDraining(),
      results: checks.results,
      optional: config.health.optional,
      redis: await redis(),
      providers: await providers.states(PROVIDER_WAIT_MS),
    });
    const asText = (shown: readonly unknown[]): string =>
      JSON.stringify({
        ...{ status, verdict, reasons: shown, replica: config.replica },
        time: new Date().toISOString(),
        pageLevel: OLDEST_PAGE_LEVEL,
      });
    return {
      all: asText(reasons),
      open: asText(reasons.map(({ component, status: each }) => ({ component, status: each }))),
    };
  }, KEEP_SUMMARY_MS);
  return async (_request, response) => {
    const { all, open } = await latest();
    response.setHeader("Cache-Control", "no-store");
    sendText(response, "application/json", source.maySeeAll(response) ? all : open);
  };
}

function getUptime({ uptime }: DiagSource): RequestHandler {
  const days = remembered(() => uptime.read().catch(() => undefined), KEEP_DETAILS_MS);
  return async (_request, response) => {
    const known = await days();
    const body: Uptime = { known: known !== undefined, days: known ?? [], time: new Date().toISOString() };
    response.set("Cache-Control", "no-store").json(body);
  };
}

/** Adds the latest report of each connection's page, where there is one. */
async function withReports(connections: readonly Connection[], reports: ReportStore): Promise<Connection[]> {
  const clients = [...new Set(connections.flatMap(({ client }) => client ?? []))];
  const latest =
    clients.length > 0 ? await reports.latest(clients, DETAIL_DEADLINE_MS).catch(() => undefined) : undefined;
  return connections.map((connection) => ({
    ...connection,
    reported: connection.client === undefined ? undefined : latest?.get(connection.client),
  }));
}

function getConnections({ registry, reports, maySeeAll }: DiagSource): RequestHandler {
  const counts = remembered(() => registry.counts(), 500);
  return async (request, response) => {
    const query = validated(
      connectionsQuerySchema,
      request.query,
      "invalid-query",
      "A parameter is not valid.",
    );
    const known = await counts();
    const replicas = known ?? [registry.own];
    const summary = {
      streams: replicas.reduce((sum, { streams }) => sum + streams, 0),
      replicas,
      complete: known !== undefined,
    };
    response.set("Cache-Control", "no-store");
    if (!maySeeAll(response)) return void response.json(summary);
    const { connections, missing } = await registry.connections(replicas.map(({ replica }) => replica));
    const page = pageOf(connections, query);
    response.json({
      ...summary,
      missing,
      ...page,
      connections: await withReports(page.connections, reports),
    });
  };
}
