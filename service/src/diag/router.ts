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
import { validated } from "../platform/validate.ts";
import type { ProviderMonitor, ProviderState } from "../providers/monitor.ts";
import type { ReportStore } from "../reports/store.ts";
import { pageOf } from "./connections.ts";
import { databaseDiag, redisDetails, redisDiag, remembered } from "./diag.ts";
import type { ReplicaRegistry } from "./replica-registry.ts";
import { connectionsQuerySchema, type Connection, type Diag } from "./schema.ts";
import { databaseDetails } from "./statements.ts";
import { summarise } from "./summary.ts";

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
  /** Who may see sizes, statements, addresses and single connections. */
  readonly maySeeAll: (response: Response) => boolean;
}

/** The longest that an answer waits for the providers, in ms. */
const PROVIDER_WAIT_MS = 300;
const DETAIL_DEADLINE_MS = 800;
/** Sizes and statements change slowly and cost more to find out, so they are kept for longer, in ms. */
const KEEP_DETAILS_MS = 10_000;

/** Everybody may see the state. Addresses, messages of errors and single streams are for authorised users. */
export function diagRouter(source: DiagSource): Router {
  const router = Router();
  const onlyGet = methodNotAllowed("GET", "HEAD", "OPTIONS");
  const redis = remembered(() => redisDiag(source.redis));
  router.route("/").get(getDiag(source, redis)).all(onlyGet);
  router.route("/health-summary").get(getSummary(source, redis)).all(onlyGet);
  router.route("/connections").get(getConnections(source)).all(onlyGet);
  return router;
}

function getDiag(source: DiagSource, redis: () => ReturnType<typeof redisDiag>): RequestHandler {
  const { config, pool, reader, streams, checks, isDraining, migrations, reports, providers } = source;
  const database = remembered(() => databaseDiag(pool, migrations));
  const databaseMore = remembered(() => databaseDetails(pool, DETAIL_DEADLINE_MS), KEEP_DETAILS_MS);
  const redisMore = remembered(() => redisDetails(source.redis), KEEP_DETAILS_MS);
  const quality = remembered(
    () => reports.quality(DETAIL_DEADLINE_MS).catch(() => undefined),
    KEEP_DETAILS_MS,
  );
  return async (_request, response) => {
    const isAll = source.maySeeAll(response);
    const [databasePart, redisPart, databaseAll, redisAll, providerStates, qualityPart] = await Promise.all([
      database(),
      redis(),
      isAll ? databaseMore() : {},
      isAll ? redisMore() : {},
      providers.states(PROVIDER_WAIT_MS),
      quality(),
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
      quality: qualityPart,
    };
    response.set("Cache-Control", "no-store").json(body);
  };
}

const withAll = (state: ProviderState): Diag["providers"][number] => ({
  ...state,
  models: state.models && [...state.models],
});
const withoutInside = ({ name, status }: ProviderState): Diag["providers"][number] => ({ name, status });

function getSummary(source: DiagSource, redis: () => ReturnType<typeof redisDiag>): RequestHandler {
  const { config, checks, isDraining, providers } = source;
  return async (_request, response) => {
    const redisPart = await redis();
    const { status, verdict, reasons } = summarise({
      isDraining: isDraining(),
      results: checks.results,
      optional: config.health.optional,
      redis: redisPart,
      providers: await providers.states(PROVIDER_WAIT_MS),
    });
    const isAll = source.maySeeAll(response);
    response.set("Cache-Control", "no-store").json({
      status,
      verdict,
      reasons: isAll ? reasons : reasons.map(({ component, status: each }) => ({ component, status: each })),
      replica: config.replica,
      time: new Date().toISOString(),
    });
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
