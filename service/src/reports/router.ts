/** The route that takes reports of pages. */
import { Router, type RequestHandler } from "express";
import { clientAddress } from "../platform/address.ts";
import { jsonBody } from "../platform/body.ts";
import { between, reasonOf } from "../platform/deadline.ts";
import { Gate } from "../platform/semaphore.ts";
import type { Logger } from "../platform/logging.ts";
import { methodNotAllowed, Problem } from "../platform/problems.ts";
import type { RateLimit } from "../platform/rate-limit.ts";
import { TokenBucket } from "../platform/token-bucket.ts";
import { namesOf } from "../platform/trace.ts";
import { parseReport } from "./schema.ts";
import type { ReportStore } from "./store.ts";

export interface ReportsRouterOptions {
  readonly store: ReportStore;
  /** Reports a minute that this process takes, from all pages together. */
  readonly perMinute: number;
  /** The same of one address, at all replicas. */
  readonly perAddress: RateLimit;
  /** See clientAddress. */
  readonly trustProxyHops: number;
  readonly bodyLimitBytes: number;
  readonly logger: Logger;
}

/** Longest a report may take until it is committed, ms: the page has its answer within 2 s, whatever happens. */
const deadlineMs = 1500;
/** Reports in the pool at once: they share it with what matters more. */
const maxAtOnce = 4;
/** More than these do not wait for their turn: a moment's hesitation of PostgreSQL is no reason to refuse, an outage is. */
const maxWaiting = 200;

/** Of what one process takes, one address gets less than its burst: enough for an office of pages, and others are not shut out. */
export const reportsPerAddress = (perMinute: number): number => Math.max(1, Math.ceil(perMinute / 8));

/** POST / takes a page's report: 202 only when it is committed, 503 with Retry-After when that cannot be promised. */
export function reportsRouter(options: ReportsRouterOptions): Router {
  const router = Router();
  const limit = Math.min(options.bodyLimitBytes, 32_768);
  router
    .route("/")
    .post(limitAddress(options), limitRate(options.perMinute), jsonBody(limit), postReport(options))
    .all(methodNotAllowed("POST", "OPTIONS"));
  return router;
}

/** First: one address that reports too much must not use up what the process takes of all. */
function limitAddress({ perAddress, trustProxyHops }: ReportsRouterOptions): RequestHandler {
  return async (request, response, next) => {
    await perAddress.take(clientAddress(request, trustProxyHops), response);
    next();
  };
}

/** Before the body is read: what is refused costs next to nothing. */
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
  const gate = new Gate(maxAtOnce, maxWaiting);
  return async (request, response) => {
    const report = parseReport(request.body);
    const end = performance.now() + deadlineMs;
    if (!(await gate.enter(deadlineMs))) throw unavailable();
    try {
      await store.add(report, Math.max(1, end - performance.now()));
    } catch (error) {
      if (isOurFault(error)) throw error;
      logger.warn({ ...namesOf(response), reason: reasonOf(error) }, "client report not stored");
      throw unavailable();
    } finally {
      gate.leave();
    }
    response.status(202).set("Cache-Control", "no-store").json({ status: "stored" });
  };
}

/** Values that PostgreSQL refuses (classes 22 and 23) should not have passed the schema; all else may be better later. */
function isOurFault(error: unknown): boolean {
  return error instanceof Error && "code" in error && /^2[23]\w{3}$/.test(String(error.code));
}

function unavailable(): Problem {
  return new Problem("reports-unavailable", "The report could not be stored for certain.", {
    headers: { "Retry-After": String(2 + Math.floor(between(0, 8))) },
  });
}
