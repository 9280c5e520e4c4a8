import { Router } from "express";
import type pg from "pg";
import type { Config } from "../config.ts";
import type { LogReader } from "../events/reader.ts";
import type { Streams } from "../events/streams.ts";
import type { Checks } from "../health/checks.ts";
import { methodNotAllowed } from "../platform/problem.ts";
import type { RedisLink } from "../platform/redis.ts";
import { databaseDiag, redisDiag, remembered } from "./diag.ts";

export interface DiagSource {
  readonly config: Config;
  readonly pool: pg.Pool;
  readonly redis: RedisLink;
  readonly reader: LogReader;
  readonly streams: Streams;
  readonly checks: Checks;
  readonly isDraining: () => boolean;
}

/** What anybody may know: no addresses, no names of users, no messages of errors. */
export function diagRouter({ config, pool, redis, reader, streams, checks, isDraining }: DiagSource): Router {
  const database = remembered(() => databaseDiag(pool));
  const cache = remembered(() => redisDiag(redis));
  const router = Router();
  router
    .route("/")
    .get(async (_request, response) => {
      const [databasePart, redisPart] = await Promise.all([database(), cache()]);
      response.set("Cache-Control", "no-store").json({
        status: isDraining() ? "fail" : checks.status,
        service: "omniai",
        stack: config.stack,
        version: config.version,
        build: config.build,
        replica: config.replica,
        time: new Date().toISOString(),
        uptimeSeconds: Math.round(process.uptime()),
        draining: isDraining(),
        auth: { mode: "none" },
        database: databasePart,
        redis: redisPart,
        events: { reader: reader.status.state, streams: streams.size },
      });
    })
    .all(methodNotAllowed("GET", "HEAD", "OPTIONS"));
  return router;
}
