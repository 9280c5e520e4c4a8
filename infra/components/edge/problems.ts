/** What the edge answers itself: problem+json like the service's, readable by the pages that may call the API. */
import { STATUS_CODES } from "node:http";
import { basename, dirname } from "node:path/posix";
import { MAINTENANCE_FILE, MAINTENANCE_RETRY_SECONDS } from "./maintenance.ts";

interface Problem {
  readonly status: number;
  /** The last part of `type`, as in the service's catalogue. */
  readonly slug: string;
  readonly detail: string;
  /** Which of nginx' codes it stands for; default: its own status. */
  readonly codes?: readonly number[];
  readonly retryAfter?: number;
  readonly allow?: string;
  /** A stream is answered with 200 and when to come back, from this variable. */
  readonly streamRetry?: string;
  /**
   * True where nginx gives up before it knows a path: then only a redirect by path works, which turns the method into
   * GET. Where it can, a redirect by name keeps the request as it is.
   */
  readonly early?: boolean;
}

const PROBLEMS: readonly Problem[] = [
  {
    status: 400,
    slug: "bad-request",
    detail: "The request could not be understood.",
    codes: [400, 495, 496, 497, 505],
    early: true,
  },
  { status: 403, slug: "forbidden", detail: "This is not allowed." },
  { status: 404, slug: "not-found", detail: "There is nothing at this path." },
  {
    status: 405,
    slug: "method-not-allowed",
    detail: "This method is not allowed.",
    allow: "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
  },
  { status: 408, slug: "timeout", detail: "The request took too long to arrive." },
  { status: 413, slug: "body-too-large", detail: "The body is longer than allowed." },
  { status: 414, slug: "uri-too-long", detail: "The path is longer than allowed.", early: true },
  { status: 421, slug: "misdirected", detail: "This host is not served here." },
  {
    status: 429,
    slug: "too-many-requests",
    detail: "There are too many requests from this address.",
    retryAfter: 2,
    streamRetry: "$retry_later",
  },
  {
    status: 431,
    slug: "headers-too-large",
    detail: "The headers are longer than allowed.",
    codes: [494],
    early: true,
  },
  { status: 501, slug: "not-implemented", detail: "This is not supported." },
  {
    status: 503,
    slug: "unavailable",
    detail: "No replica can answer now.",
    codes: [500, 502, 503, 504],
    retryAfter: 2,
    streamRetry: "$retry_soon",
  },
];

/** For the http level: spread waits, so that clients that lose their streams together do not come back together. */
export const RETRY_MAPS = `
  split_clients $request_id $retry_soon {
    20% 1000; 20% 1700; 20% 2400; 20% 3100; * 3800;
  }
  split_clients $request_id $retry_later {
    20% 5000; 20% 7500; 20% 10000; 20% 12500; * 15000;
  }`;

const target = ({ status, early }: Problem): string =>
  early === true ? `/_problem/${status}` : `@problem_${status}`;

/** Which answer stands for which error. */
export const renderErrorPages = (): string =>
  PROBLEMS.map(
    (problem) => `    error_page ${(problem.codes ?? [problem.status]).join(" ")} = ${target(problem)};`,
  ).join("\n");

/** Before a page may send a request, its browser asks. The page learns why the edge refuses only if that is answered. */
const PREFLIGHT = "if ($is_preflight) { rewrite ^ /_preflight last; }";

const streamLater = (retry: string): string =>
  `set $own_stream_retry ${retry};
      if ($wants_stream) { rewrite ^ /_stream_later last; }`;

function renderProblem(problem: Problem): string {
  const { status, slug, detail, retryAfter, allow, streamRetry, early } = problem;
  const body = { type: `urn:omniai:problem:${slug}`, title: STATUS_CODES[status], status, detail };
  const lines = [
    "internal;",
    // Else a path that ends in .html gives its type to the answer that there is nothing at it.
    "types { }",
    "default_type application/problem+json;",
    "set $own 1;",
    "set $own_cache no-store;",
    ...(allow === undefined ? [] : [`set $own_allow "${allow}";`]),
    ...(streamRetry === undefined ? [] : [streamLater(streamRetry), PREFLIGHT]),
    ...(retryAfter === undefined ? [] : [`set $own_retry_after ${retryAfter};`]),
    // JSON.stringify leaves no single quote in any of these.
    `return ${status} '${JSON.stringify(body).replace(/\}$/, ',"requestId":"$trace"}')}\\n';`,
  ];
  return `    location ${early === true ? "= " : ""}${target(problem)} {\n      ${lines.join("\n      ")}\n    }`;
}

/** @param maintenanceFile where the answer of a maintenance is. */
export const renderProblems = (maintenanceFile = MAINTENANCE_FILE): string =>
  [
    ...PROBLEMS.map(renderProblem),
    `    location = /_stream_later {
      internal;
      default_type text/event-stream;
      set $own_cache "no-cache, no-transform";
      return 200 "retry: $own_stream_retry\\n\\n";
    }`,
    `    location = /_preflight {
      internal;
      set $own_cors_methods $http_access_control_request_method;
      set $own_cors_headers $http_access_control_request_headers;
      return 204;
    }`,
    `    location = /_maintenance {
      internal;
      set $own 1;
      ${streamLater("$retry_later")}
      ${PREFLIGHT}
      set $own_cache no-store;
      set $own_retry_after ${MAINTENANCE_RETRY_SECONDS};
      # An error_page of its own replaces all of the server's: this one answers a client that asks for this very path.
      error_page 404 = @problem_404;
      error_page 503 /_maintenance.json;
      return 503;
    }`,
    `    location = /_maintenance.json {
      internal;
      types { }
      default_type application/problem+json;
      etag off;
      root ${dirname(maintenanceFile)};
      # The file may have been removed since it was found.
      try_files /${basename(maintenanceFile)} @problem_503;
    }`,
  ].join("\n");

/** In a location: the API is away while the file is there. */
export const maintenanceCheck = (file = MAINTENANCE_FILE): string =>
  `if (-f ${file}) { rewrite ^ /_maintenance last; }`;
