/** Writes refused requests into the audit log, up to a budget. */
import type { ErrorRequestHandler, Request, Response } from "express";
import { clientAddress } from "../../platform/address.ts";
import type { ProblemSlug } from "../../platform/problem-types.ts";
import { Problem } from "../../platform/problems.ts";
import { namesOf } from "../../platform/trace.ts";
import type { Audit, AuditEntry } from "../stores/audit.ts";
import type { FoundSession } from "./identify.ts";
import { principalOf } from "../principal.ts";

/** Refusals that somebody may want to know of: not of those who only forgot to log in. */
const audited: readonly ProblemSlug[] = [
  "invalid-token",
  "insufficient-scope",
  "topic-not-allowed",
  "login-needed",
  "origin-unknown",
  "origin-not-allowed",
  "csrf-token-invalid",
  "rate-limited",
];

/** Written down of one address, and of all, in a minute: enough to be seen, too few to fill a disk or to push out the rest. */
const perAddress = 10;
const perMinute = 200;
const windowMs = 60_000;

/** How much may be written down of what anybody can bring about at any rate. */
export class RefusalBudget {
  readonly #now: () => number;
  readonly #seen = new Map<string, number>();
  #left = perMinute;
  #endsAt = -Infinity;
  #skipped = 0;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** @returns how many were left out since the last that was not; undefined when this one is left out. */
  take(address: string): number | undefined {
    if (this.#now() >= this.#endsAt) {
      this.#seen.clear();
      this.#left = perMinute;
      this.#endsAt = this.#now() + windowMs;
    }
    const seen = this.#seen.get(address) ?? 0;
    if (seen >= perAddress || this.#left <= 0) {
      this.#skipped++;
      return undefined;
    }
    this.#left--;
    this.#seen.set(address, seen + 1);
    const skipped = this.#skipped;
    this.#skipped = 0;
    return skipped;
  }
}

function actionOf(problem: Problem, request: Request, isCsrf: boolean): AuditEntry["action"] {
  if (request.originalUrl.startsWith("/api/auth/login")) return "login";
  if (problem.status === 429) return "limit";
  return isCsrf ? "csrf" : "access";
}

/** Where errors pass on their way out: what was refused gets its line and its row, and goes on as it was. */
export function auditRefusals(
  { audit, trustProxyHops }: { readonly audit: Audit; readonly trustProxyHops: number },
  budget = new RefusalBudget(),
): ErrorRequestHandler {
  return (error: unknown, request, response: Response, next) => {
    if (error instanceof Problem && audited.includes(error.slug)) {
      const address = clientAddress(request, trustProxyHops);
      const skipped = budget.take(address);
      if (skipped !== undefined) {
        const found = response.locals.session as FoundSession | undefined;
        const { userId } = principalOf(response);
        // A session that was found and did not become somebody was stopped by the check of where the request came from.
        const isCsrf = found !== undefined && userId === undefined;
        const { requestId, trace_id: traceId } = namesOf(response);
        // Nobody waits for it: without PostgreSQL a refusal would take seconds.
        void audit.record({
          action: actionOf(error, request, isCsrf),
          outcome: "refused",
          userId: userId ?? found?.session.userId,
          address,
          requestId,
          traceId,
          detail: {
            reason: error.status === 429 ? "limit" : error.slug,
            method: request.method,
            ...(skipped > 0 ? { skipped } : {}),
          },
        });
      }
    }
    next(error);
  };
}
