/** The routes of the probes. */
import { Router, type Response } from "express";
import { methodNotAllowed } from "../platform/problems.ts";
import { sendText } from "../platform/send-text.ts";
import type { Checks, Status } from "./checks.ts";

export interface HealthSource {
  readonly checks: Checks;
  readonly version: string;
  readonly build: string;
  readonly replica: string;
  /** True from SIGTERM on. */
  readonly isDraining: () => boolean;
  /** True once it was ready for the first time. */
  readonly hasStarted: () => boolean;
}

/**
 * Liveness, readiness and startup as application/health+json (draft-inadarei-api-health-check-06).
 *
 * - /healthz: the process answers. It asks nobody, because a restart does not help against a database that is away.
 * - /readyz: the replica should get requests, by the latest results of the checks.
 * - /startupz: the replica was ready once.
 *
 * @param isDetailed adds version, build and the checks' results, which are for the internal port only.
 */
export function healthRouter(source: HealthSource, isDetailed: boolean): Router {
  const answer = (response: Response, status: Status, notes: readonly string[], hasChecks: boolean): void => {
    response.status(status === "fail" ? 503 : 200).setHeader("Cache-Control", "no-store");
    const body = {
      status,
      ...(notes.length > 0 ? { notes } : {}),
      ...(isDetailed
        ? {
            version: source.version.split(".")[0],
            releaseId: source.build,
            serviceId: source.replica,
            ...(hasChecks ? { checks: source.checks.results } : {}),
          }
        : {}),
    };
    sendText(response, "application/health+json", JSON.stringify(body));
  };
  const router = Router();
  const onlyGet = methodNotAllowed("GET", "HEAD");
  router
    .route("/healthz")
    .get((_request, response) => answer(response, "pass", [], false))
    .all(onlyGet);
  router
    .route("/readyz")
    .get((_request, response) => {
      if (source.isDraining()) answer(response, "fail", ["draining"], true);
      else answer(response, source.checks.status, [], true);
    })
    .all(onlyGet);
  router
    .route("/startupz")
    .get((_request, response) => {
      const hasStarted = source.hasStarted();
      answer(response, hasStarted ? "pass" : "fail", hasStarted ? [] : ["starting"], !hasStarted);
    })
    .all(onlyGet);
  return router;
}
