import { STATUS_CODES } from "node:http";
import type { ErrorRequestHandler, RequestHandler, Response } from "express";
import type { Logger } from "./logging.ts";

/**
 * Errors as application/problem+json (RFC 9457). `type` is stable and is what a client branches on; `title` and
 * `detail` are for people and may change. Nothing of an unexpected error reaches the client: the request id does,
 * and the log has the rest under it.
 */
export class Problem extends Error {
  readonly status: number;
  readonly slug: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly members: Readonly<Record<string, unknown>>;

  /**
   * @param status HTTP status.
   * @param slug last part of `type`, `urn:omniai:problem:<slug>`.
   * @param detail one sentence about this occurrence, safe to show to anybody.
   */
  constructor(
    status: number,
    slug: string,
    detail: string,
    extra: { headers?: Record<string, string>; members?: Record<string, unknown> } = {},
  ) {
    super(detail);
    this.name = "Problem";
    this.status = status;
    this.slug = slug;
    this.headers = extra.headers ?? {};
    this.members = extra.members ?? {};
  }
}

export function sendProblem(response: Response, problem: Problem): void {
  response.status(problem.status).set(problem.headers).set("Cache-Control", "no-store");
  response.type("application/problem+json").send(
    JSON.stringify({
      type: `urn:omniai:problem:${problem.slug}`,
      title: STATUS_CODES[problem.status] ?? "Error",
      status: problem.status,
      detail: problem.message,
      requestId: response.locals.requestId as unknown,
      ...problem.members,
    }),
  );
}

export const notFound: RequestHandler = (_request, _response, next) => {
  next(new Problem(404, "not-found", "There is nothing at this path."));
};

/** For the end of a route: the path exists, the method does not. */
export function methodNotAllowed(...allowed: string[]): RequestHandler {
  return (_request, _response, next) => {
    const allow = allowed.join(", ");
    next(new Problem(405, "method-not-allowed", `Allowed here: ${allow}.`, { headers: { Allow: allow } }));
  };
}

/** What body-parser and the router say about a request that they refuse; other 4xx of theirs become "bad-request". */
const refusals: Readonly<Record<string, Problem>> = {
  "entity.too.large": new Problem(413, "body-too-large", "The body is longer than allowed."),
  "entity.parse.failed": new Problem(400, "invalid-json", "The body is not valid JSON."),
  "encoding.unsupported": new Problem(415, "unsupported-encoding", "The body's encoding is not supported."),
  "charset.unsupported": new Problem(415, "unsupported-charset", "The body's charset is not supported."),
};

function asProblem(error: unknown): Problem | undefined {
  if (error instanceof Problem) return error;
  if (typeof error !== "object" || error === null) return undefined;
  const { type, status } = error as { type?: unknown; status?: unknown };
  if (typeof type === "string" && refusals[type]) return refusals[type];
  if (typeof status === "number" && status >= 400 && status < 500) {
    return new Problem(status, "bad-request", "The request could not be understood.");
  }
  return undefined;
}

/** The last middleware: every error leaves through it. */
export function problemHandler(logger: Logger): ErrorRequestHandler {
  return (error: unknown, request, response, _next) => {
    const requestId = response.locals.requestId as string;
    let problem = asProblem(error);
    if (!problem) {
      logger.error({ requestId, method: request.method, path: request.path, err: error }, "unexpected error");
      problem = new Problem(500, "internal", "Something went wrong here. The request id helps to find it.");
    }
    if (response.headersSent) response.destroy();
    else sendProblem(response, problem);
  };
}
