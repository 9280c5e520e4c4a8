/** The trace that a request belongs to. */
import { randomBytes } from "node:crypto";
import type { Request, RequestHandler, Response } from "express";

/** `version-trace-parent-flags` (W3C Trace Context 3.2); a later version may append more. */
const traceparent = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?$/;

/** The id of the trace that a request says it belongs to. */
export function traceIdOf(request: Pick<Request, "get">): string | undefined {
  const [, version, id, more] = traceparent.exec(request.get("traceparent")?.slice(0, 512) ?? "") ?? [];
  return version === "00" && more !== undefined ? undefined : id;
}

/** Takes over the trace's id, or makes one. It only serves to find log lines again; nothing trusts it. */
export const trace: RequestHandler = (request, response, next) => {
  response.locals.traceId = traceIdOf(request) ?? randomBytes(16).toString("hex");
  next();
};

export interface RequestNames {
  readonly requestId: string;
  /** The name that log systems use for it. */
  readonly trace_id: string;
}

/** What every log line of a request has. */
export const namesOf = ({ locals }: Response): RequestNames => ({
  requestId: locals.requestId as string,
  trace_id: locals.traceId as string,
});
