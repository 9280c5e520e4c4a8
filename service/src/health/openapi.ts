/** The probes in openapi.json. */
import { z } from "zod";
import type { Answer, Operation } from "../platform/operation.ts";

const statusSchema = z.enum(["pass", "warn", "fail"]);

/** draft-inadarei-api-health-check-06; all but status and notes on the internal port only. */
export const healthSchema = z.strictObject({
  status: statusSchema,
  version: z.string().optional(),
  releaseId: z.string().optional(),
  notes: z.array(z.string()).optional(),
  serviceId: z.string().optional(),
  checks: z
    .record(
      z.string(),
      z.array(
        z.strictObject({
          componentType: z.enum(["component", "datastore", "system"]),
          status: statusSchema,
          observedValue: z.number(),
          observedUnit: z.string(),
          time: z.iso.datetime(),
          output: z.string().optional(),
        }),
      ),
    )
    .optional(),
});

const answer = (description: string): Answer => ({
  description,
  contentType: "application/health+json",
  schema: healthSchema,
});

function probe(path: string, summary: string, good: string, bad?: string): Operation {
  return {
    method: "get",
    path,
    ports: ["public", "internal"],
    tag: "health",
    summary,
    responses: bad ? { 200: answer(good), 503: answer(bad) } : { 200: answer(good) },
  };
}

export const HEALTH_OPERATIONS: readonly Operation[] = [
  probe("/healthz", "Liveness: the process answers", "It is alive."),
  probe(
    "/readyz",
    "Readiness: it should get requests",
    "It is ready, perhaps with a warning.",
    "It is not ready: a critical check fails, or it is draining.",
  ),
  probe("/startupz", "Startup: it was ready once", "It was.", "It is starting."),
];
