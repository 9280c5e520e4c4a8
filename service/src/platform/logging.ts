/** The log: one JSON object a line, without secrets. */
import { pino, type DestinationStream, type Logger } from "pino";
import type { RequestHandler } from "express";
import { namesOf } from "./trace.ts";

export type { Logger };

/** Fields that hold secrets or tickets: at the top of a line, one level down, and among headers. */
const SECRET_PATHS = [
  "authorization",
  "cookie",
  '["set-cookie"]',
  "password",
  "secret",
  "token",
  "accessToken",
  "refreshToken",
  "csrfToken",
  '["x-csrf-token"]',
  "last_event_id",
].flatMap((key) =>
  key.startsWith("[") ? [key, `*${key}`, `*.headers${key}`] : [key, `*.${key}`, `*.headers.${key}`],
);

/** Writes one JSON object a line to standard output, with times in ISO 8601 and the level as a word. */
export function createLogger(
  options: { level: string; replica: string; build: string },
  destination?: DestinationStream,
): Logger {
  return pino(
    {
      level: options.level,
      base: { replica: options.replica, build: options.build },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: SECRET_PATHS, censor: "[redacted]" },
    },
    destination ?? pino.destination({ dest: 1, sync: true }),
  );
}

const withKnownFields = new WeakMap<Logger, Logger>();

/**
 * The same logger for lines whose fields all stand in the code and hold no secret. It does not search them for secrets,
 * which is most of what a line costs. Not for errors, headers or bodies.
 */
export function knownFields(logger: Logger): Logger {
  let quick = withKnownFields.get(logger);
  if (!quick) withKnownFields.set(logger, (quick = logger.child({}, { redact: [] })));
  return quick;
}

/** The engine and the monitoring ask for these every few seconds. */
const PROBES: readonly string[] = ["/healthz", "/readyz", "/startupz"];
export const isProbe = (path: string): boolean => PROBES.includes(path);

/**
 * Writes one line per request, also for a request whose client left before its answer was out. Streams write lines of their
 * own when they open and close. Probes are many, so theirs are at level debug.
 */
export function requestLog(logger: Logger): RequestHandler {
  const quick = knownFields(logger);
  return (request, response, next) => {
    const started = performance.now();
    const { method, path } = request;
    // Not "once", which wraps its listener: this event comes once.
    response.on("close", () => {
      const isQuiet = isProbe(path);
      if (isQuiet && !quick.isLevelEnabled("debug")) return;
      if (response.getHeader("content-type") === "text/event-stream") return;
      const line = {
        ...namesOf(response),
        method,
        path,
        // Nobody got the status of an answer that the client did not take.
        ...(response.writableFinished ? { status: response.statusCode } : { aborted: true }),
        ms: Math.round((performance.now() - started) * 10) / 10,
      };
      if (isQuiet) quick.debug(line, "request");
      else if (response.statusCode >= 500) quick.warn(line, "request");
      else quick.info(line, "request");
    });
    next();
  };
}
