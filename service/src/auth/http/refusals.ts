/** Writes refused requests into the audit log, up to a budget. */
import type { ErrorRequestHandler, Request, Response } from "express";
import { clientAddress } from "../../platform/address.ts";
import type { ProblemSlug } from "../../platform/problem-types.ts";
import { Problem } from "../../platform/problems.ts";
import { namesOf } from "../../platform/trace.ts";
import type { Audit, AuditEntry } from "../stores/audit.ts";
import type { FoundSession } from "./identify.ts";
import { principalOf } from "../principal.ts";

/** The refusals that an operator may want to see. Somebody who only forgot to log in is not among them. */
const AUDITED: readonly ProblemSlug[] = [
  "invalid-token",
  "insufficient-scope",
  "topic-not-allowed",
  "login-needed",
  "origin-unknown",
  "origin-not-allowed",
  "csrf-token-invalid",
  "rate-limited",
];

/** How many are written down in a minute, of one address and of all: enough to be seen, too few to fill a disk. */
const PER_ADDRESS = 10;
const PER_MINUTE = 200;
const WINDOW_MS = 60_000;

/** Bounds how much is written down, because anybody can be refused at any rate. */
export class RefusalBudget {
  readonly #now: () => number;
  readonly #seen = new Map<string, number>();
  #left = PER_MINUTE;
  #endsAt = -Infinity;
  #skipped = 0;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** @returns how many were left out since the last one that was written; undefined when this one is left out, too. */
  take(address: string): number | undefined {
    if (this.#now() >= this.#endsAt) {
      this.#seen.clear();
      this.#left = PER_MINUTE;
      this.#endsAt = this.#now() + WINDOW_MS;
    }
    const seen = this.#seen.get(address) ?? 0;
    if (seen >= PER_ADDRESS || this.#left <= 0) {
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

/** Errors pass here on their way out. A refusal gets its line and its row, and goes on unchanged. */
export function auditRefusals(
  { audit, trustProxyHops }: { readonly audit: Audit; readonly trustProxyHops: number },
  budget = new RefusalBudget(),
): ErrorRequestHandler {
  return (error: unknown, request, response: Response, next) => {
    if (error instanceof Problem && AUDITED.includes(error.slug)) {
      const address = clientAddress(request, trustProxyHops);
      const skipped = budget.take(address);
      if (skipped !== undefined) {
        const found = response.locals.session as FoundSession | undefined;
        const { userId } = principalOf(response);
        // A session without a principal: the check of the origin or the CSRF token has stopped it.
        const isCsrf = found !== undefined && userId === undefined;
        const { requestId, trace_id: traceId } = namesOf(response);
        // The answer does not wait for it: without PostgreSQL a refusal would take seconds.
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
