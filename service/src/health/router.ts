/** The routes of the probes. */
import { Router, type Response } from "express";
import { methodNotAllowed } from "../platform/problems.ts";
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
 * - /healthz: the process answers. It asks nobody: a database that is away is no reason to restart what needs it.
 * - /readyz: it should get requests. Answers from what the checks found last.
 * - /startupz: it was ready once.
 *
 * @param isDetailed with version, build and the checks' results; only for the internal port, they tell about the inside.
 */
export function healthRouter(source: HealthSource, isDetailed: boolean): Router {
  const answer = (response: Response, status: Status, notes: readonly string[], hasChecks: boolean): void => {
    response.status(status === "fail" ? 503 : 200).set("Cache-Control", "no-store");
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
    response.type("application/health+json").send(JSON.stringify(body));
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
