/** The trace that a request belongs to. */
import { randomFillSync } from "node:crypto";
import type { Request, RequestHandler, Response } from "express";

/** A divisor of the length of `random`. */
const TRACE_ID_BYTES = 16;

/** `version-trace-parent-flags` (W3C Trace Context 3.2); a later version may append more. */
const traceparent =
  /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/** What a request says of the trace that it belongs to. */
export interface TraceParent {
  readonly traceId: string;
  readonly spanId: string;
  /** Whether who began it keeps it (W3C Trace Context 3.2.2.5.1). */
  readonly isSampled: boolean;
}

export function parentOf(request: Pick<Request, "get">): TraceParent | undefined {
  const [, version, traceId, spanId, flags = "", more] =
    traceparent.exec(request.get("traceparent")?.slice(0, 512) ?? "") ?? [];
  if (traceId === undefined || spanId === undefined || (version === "00" && more !== undefined))
    return undefined;
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

/** The id of the trace that a request says it belongs to. */
export const traceIdOf = (request: Pick<Request, "get">): string | undefined => parentOf(request)?.traceId;

/** Takes over the trace's id. It only serves to find log lines again; nothing trusts it. */
export const trace: RequestHandler = (request, response, next) => {
  if (request.headers.traceparent !== undefined) response.locals.traceId = traceIdOf(request);
  next();
};

export interface RequestNames {
  readonly requestId: string;
  /** The name that log systems use for it. */
  readonly trace_id: string;
}

/** What every log line of a request has. A trace that nobody began gets its id with its first line: most probes write none. */
export const namesOf = ({ locals }: Response): RequestNames => ({
  requestId: locals.requestId as string,
  trace_id: (locals.traceId ??= randomTraceId()) as string,
});

/** Asking the system for random bytes costs more than all else here, so they are fetched for many ids at once. */
const random = Buffer.alloc(4096);
let used = random.length;

function randomTraceId(): string {
  if (used === random.length) {
    randomFillSync(random);
    used = 0;
  }
  return random.toString("hex", used, (used += TRACE_ID_BYTES));
}
