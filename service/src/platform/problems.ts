/** Errors as application/problem+json: how they are made, and how they leave. */
import type { ErrorRequestHandler, Request, RequestHandler, Response } from "express";
import type { Logger } from "./logging.ts";
import { PROBLEM_URN, problemTypes, type ProblemSlug } from "./problem-types.ts";
import { namesOf } from "./trace.ts";

/**
 * An error that is answered as application/problem+json (RFC 9457). `type` is stable, and clients branch on it; `title` and
 * `detail` are for people and may change. Nothing of an unexpected error reaches the client but the request id, under
 * which the log has the rest.
 */
export class Problem extends Error {
  readonly slug: ProblemSlug;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly members: Readonly<Record<string, unknown>>;

  /**
   * @param slug names an entry of the catalogue, which has the status and the title.
   * @param detail one sentence about this occurrence, safe to show to anybody.
   * @param extra.status in place of the catalogue's: for what a library refuses with a status of its own.
   */
  constructor(
    slug: ProblemSlug,
    detail: string,
    extra: { headers?: Record<string, string>; members?: Record<string, unknown>; status?: number } = {},
  ) {
    super(detail);
    this.name = "Problem";
    this.slug = slug;
    this.status = extra.status ?? problemTypes[slug].status;
    this.headers = extra.headers ?? {};
    this.members = extra.members ?? {};
  }
}

export function sendProblem(response: Response, problem: Problem): void {
  response.status(problem.status).set(problem.headers).set("Cache-Control", "no-store");
  response.type("application/problem+json").send(
    JSON.stringify({
      type: PROBLEM_URN + problem.slug,
      title: problemTypes[problem.slug].title,
      status: problem.status,
      detail: problem.message,
      requestId: response.locals.requestId as unknown,
      ...problem.members,
    }),
  );
}

export const notFound: RequestHandler = (_request, _response, next) => {
  next(new Problem("not-found", "There is nothing at this path."));
};

/** For the end of a route: the path exists, but not with this method. */
export function methodNotAllowed(...allowed: string[]): RequestHandler {
  return (_request, _response, next) => {
    const allow = allowed.join(", ");
    next(new Problem("method-not-allowed", `Allowed here: ${allow}.`, { headers: { Allow: allow } }));
  };
}

/** Any 4xx with which Express' router refuses a request is a "bad-request". */
function asProblem(error: unknown): Problem | undefined {
  if (error instanceof Problem) return error;
  if (typeof error !== "object" || error === null) return undefined;
  const { status } = error as { status?: unknown };
  if (typeof status === "number" && status >= 400 && status < 500) {
    return new Problem("bad-request", "The request could not be understood.", { status });
  }
  return undefined;
}

/** How long the rest of a refused body may come in after the answer, in ms. */
const LINGER_MS = 3000;

/**
 * Throws away for a moment what is still sent of a refused body, so that the client can read the answer: closing at once
 * would reset the connection under it (RFC 9112 9.6). Then it cuts the connection, which would otherwise stay until the
 * request's own timeout.
 */
function discardRest(request: Request): void {
  if (request.complete || request.destroyed) return;
  request.resume();
  const cut = setTimeout(() => request.socket.destroy(), LINGER_MS);
  // The request's end, not the socket's: the socket may serve many requests.
  request.once("close", () => clearTimeout(cut));
}

/** The last middleware: every error leaves through it. */
export function problemHandler(logger: Logger): ErrorRequestHandler {
  return (error: unknown, request, response, _next) => {
    let problem = asProblem(error);
    if (!problem) {
      const { method, path } = request;
      logger.error({ ...namesOf(response), method, path, err: error }, "unexpected error");
      problem = new Problem("internal", "Something went wrong here. The request id helps to find it.");
    }
    if (response.headersSent) response.destroy();
    else {
      sendProblem(response, problem);
      discardRest(request);
    }
  };
}
