/** The route that takes reports of pages. */
import { Router, type RequestHandler } from "express";
import { clientAddress } from "../platform/address.ts";
import { jsonBody } from "../platform/body.ts";
import { countUntil } from "../platform/body-limit.ts";
import { between, reasonOf } from "../platform/deadline.ts";
import { ANSWER_MS } from "../platform/postgres.ts";
import { Semaphore } from "../platform/semaphore.ts";
import type { Logger } from "../platform/logging.ts";
import { methodNotAllowed, Problem } from "../platform/problems.ts";
import type { RateLimit } from "../platform/rate-limit.ts";
import { TokenBucket } from "../platform/token-bucket.ts";
import { namesOf } from "../platform/trace.ts";
import { parseReport, type ClientReport } from "./schema.ts";
import type { ReportStore } from "./store.ts";

export interface ReportsRouterOptions {
  readonly store: ReportStore;
  /** Reports a minute that this process takes, from all pages together. */
  readonly perMinute: number;
  /** The limit of one address, at all replicas together. */
  readonly perAddress: RateLimit;
  /** See clientAddress. */
  readonly trustProxyHops: number;
  readonly bodyLimitBytes: number;
  readonly logger: Logger;
}

/** How many reports use the pool at once: they share it with what matters more. */
const MAX_AT_ONCE = 4;
/** How many may wait for their turn. When PostgreSQL hesitates for a moment they wait, in an outage they are refused. */
const MAX_WAITING = 200;

/** The part of it that one address gets: enough for the pages of an office, and less than the burst, so others get in, too. */
export const reportsPerAddress = (perMinute: number): number => Math.max(1, Math.ceil(perMinute / 8));

/** POST / takes a page's report. It answers 202 only when the report is committed, else 503 with Retry-After. */
export function reportsRouter(options: ReportsRouterOptions): Router {
  const router = Router();
  const limit = Math.min(options.bodyLimitBytes, 32_768);
  router
    .route("/")
    .post(limitAddress(options), limitRate(options.perMinute), jsonBody(limit), postReport(options))
    .all(methodNotAllowed("POST", "OPTIONS"));
  return router;
}

/** Comes first: one address that reports too much must not use up what the process takes from all. */
function limitAddress({ perAddress, trustProxyHops }: ReportsRouterOptions): RequestHandler {
  return async (request, response, next) => {
    await perAddress.take(clientAddress(request, trustProxyHops), response);
    next();
  };
}

/** Comes before the body is read, so that a refusal costs almost nothing. */
function limitRate(perMinute: number): RequestHandler {
  const bucket = new TokenBucket(perMinute, Math.max(1, Math.ceil(perMinute / 6)));
  return (_request, _response, next) => {
    const waitMs = bucket.take();
    if (waitMs === 0) return next();
    const seconds = Math.ceil((waitMs + between(0, 5000)) / 1000);
    next(
      new Problem("too-many-reports", "Too many reports at the moment.", {
        headers: { "Retry-After": String(seconds) },
      }),
    );
  };
}

function postReport({ store, logger }: ReportsRouterOptions): RequestHandler {
  const semaphore = new Semaphore(MAX_AT_ONCE, MAX_WAITING);
  const add = async (report: ClientReport, end: number): Promise<void> => {
    if (!(await semaphore.acquire(ANSWER_MS))) throw unavailable();
    try {
      await store.add(report, Math.max(1, end - performance.now()));
    } finally {
      semaphore.release();
    }
  };
  return async (request, response) => {
    const report = parseReport(request.body);
    try {
      await countUntil(request, add(report, performance.now() + ANSWER_MS));
    } catch (error) {
      if (error instanceof Problem || isOurFault(error)) throw error;
      logger.warn({ ...namesOf(response), reason: reasonOf(error) }, "client report not stored");
      throw unavailable();
    }
    response.status(202).set("Cache-Control", "no-store").json({ status: "stored" });
  };
}

/** The schema should have refused a value that PostgreSQL refuses (classes 22 and 23). Every other error may pass. */
function isOurFault(error: unknown): boolean {
  return error instanceof Error && "code" in error && /^2[23]\w{3}$/.test(String(error.code));
}

function unavailable(): Problem {
  return new Problem("reports-unavailable", "The report could not be stored for certain.", {
    headers: { "Retry-After": String(2 + Math.floor(between(0, 8))) },
  });
}
