/** Reports of pages in openapi.json. */
import { z } from "zod";
import { jsonAnswer, problem, retryAfter, type Operation } from "../platform/operation.ts";
import { clientReportSchema } from "./schema.ts";

export const REPORT_OPERATIONS: readonly Operation[] = [
  {
    method: "post",
    path: "/api/diag/client-reports",
    ports: ["public"],
    tag: "diagnostics",
    summary: "Report how well the connection of a page works",
    description:
      "Reports are kept for 7 days unless the stack says otherwise; when there are too many, the oldest go first.",
    body: { schema: clientReportSchema },
    responses: {
      202: jsonAnswer("The report is committed.", z.strictObject({ status: z.literal("stored") })),
      400: problem("The report is not valid."),
      408: problem("The body took too long to arrive."),
      413: problem("The body is longer than allowed."),
      415: problem("The body is not JSON, or not in an encoding that is understood."),
      429: problem("Too many reports at the moment.", retryAfter),
      503: problem("The report could not be stored for certain.", retryAfter),
    },
  },
];
