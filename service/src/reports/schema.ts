/** What a page may report. */
import { z } from "zod";
import { validated } from "../platform/validate.ts";

/**
 * Texts come from anybody's browser. So their length is bounded, and they lose what PostgreSQL's jsonb refuses (NUL, halves
 * of surrogate pairs) and control characters, which would garble an operator's terminal.
 */
const text = (maxLength: number) =>
  z
    .string()
    .max(maxLength)
    // eslint-disable-next-line no-control-regex
    .transform((value) => value.toWellFormed().replace(/[\u0000-\u001f\u007f-\u009f]/g, " "));

const ms = z.number().min(0).max(3_600_000);
const count = z.int().min(0).max(1_000_000);

export const clientPattern = /^[A-Za-z0-9_-]{8,64}$/;

export const clientReportSchema = z.strictObject({
  client: z
    .string()
    .regex(clientPattern)
    .describe(
      "A random name that the page chooses when it is loaded. It tells the reports of two pages apart.",
    ),
  periodSeconds: z.number().min(0).max(604_800).optional().describe("How long a time the report covers."),
  latency: z
    .strictObject({ samples: count, p50Ms: ms, p95Ms: ms, maxMs: ms })
    .optional()
    .describe("The time from an event to its arrival in the page."),
  roundTripMs: ms.optional().describe("The median time of a request and its answer, measured by the page."),
  reconnects: z
    .strictObject({ count, lastReason: text(200).optional() })
    .optional()
    .describe("How often the page lost its stream."),
  errors: z
    .array(
      z.strictObject({
        message: text(500),
        source: text(300).optional(),
        line: count.optional(),
        column: count.optional(),
        count: count.optional().describe("How many times it occurred; 1 when left out."),
      }),
    )
    .max(20)
    .optional()
    .describe(
      "Errors that no script of the page caught, what it wrote to the console, and requests that failed.",
    ),
});

export type ClientReport = z.output<typeof clientReportSchema>;

/** @throws Problem 400 that names what is wrong. */
export function parseReport(body: unknown): ClientReport {
  return validated(clientReportSchema, body, "invalid-report", "The report is not valid.");
}
