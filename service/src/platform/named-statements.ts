/**
 * Statements that say for which request they are, in the form of sqlcommenter: what PostgreSQL writes of one that is slow,
 * fails or waits for a lock is then found by the request's id (`npm run logs -- --request ID`).
 */
import pg from "pg";
import { wellFormedId } from "./request-id.ts";
import { currentRequest } from "./request-context.ts";

/**
 * Pure: the comment. It stands before the statement: of one with several lines each is a line of the log, and the first of
 * them is the one that says what was wrong. Only ids that cannot end a comment.
 */
export function commentOf({
  requestId,
  traceId,
}: {
  requestId: string;
  traceId?: string | undefined;
}): string {
  if (!wellFormedId.test(requestId)) return "";
  const trace = traceId !== undefined && /^[0-9a-f]{32}$/.test(traceId) ? `,trace_id='${traceId}'` : "";
  return `/*request_id='${requestId}'${trace}*/ `;
}

type Query = (this: pg.Client, ...args: unknown[]) => unknown;

const { query } = pg.Client.prototype as unknown as { query: Query };

/**
 * The driver's client. A prepared statement (an object with a name) is left as it is: its text must stay the same. Any
 * other one is parsed anew each time anyway.
 */
export class NamingClient extends pg.Client {}
NamingClient.prototype.query = function (first: unknown, ...rest: unknown[]) {
  const request = typeof first === "string" ? currentRequest() : undefined;
  return query.call(this, request === undefined ? first : commentOf(request) + String(first), ...rest);
} as Query as typeof pg.Client.prototype.query;
