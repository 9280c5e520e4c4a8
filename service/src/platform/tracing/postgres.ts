/** A span for each query of a request. */
import { context, SpanKind, SpanStatusCode, trace, type Tracer } from "@opentelemetry/api";
import type pg from "pg";

/** A statement holds no values: those are parameters. A long one is cut. */
const LONGEST = 500;

type Query = (...args: unknown[]) => unknown;

const textOf = (first: unknown): string =>
  typeof first === "string" ? first : ((first as { text?: string } | undefined)?.text ?? "");

/** Only within a request: what a replica asks for itself all the time would be traces of nothing. */
function traced(tracer: Tracer, query: Query): Query {
  return (...args) => {
    const parent = context.active();
    if (trace.getSpan(parent) === undefined || typeof args.at(-1) === "function") return query(...args);
    const text = textOf(args[0]).replace(/\s+/g, " ").trim();
    const operation = text.split(" ", 1)[0]?.toUpperCase() ?? "";
    const span = tracer.startSpan(
      `PostgreSQL ${operation}`,
      {
        kind: SpanKind.CLIENT,
        attributes: {
          "db.system.name": "postgresql",
          "db.operation.name": operation,
          "db.query.text": text.slice(0, LONGEST),
        },
      },
      parent,
    );
    const result = context.with(trace.setSpan(parent, span), () => query(...args));
    if (!(result instanceof Promise)) {
      span.end();
      return result;
    }
    const failed = (error: unknown): void => {
      span.setStatus({ code: SpanStatusCode.ERROR, message: (error as { code?: string }).code });
    };
    result.catch(failed).finally(() => span.end());
    return result;
  };
}

/** Of each connection while somebody has it. */
export function watchPool(pool: pg.Pool, tracer: Tracer): void {
  const connect = pool.connect.bind(pool) as Query;
  const take: Query = async () => {
    const client = (await connect()) as { query: Query; release: Query };
    const [query, release] = [client.query.bind(client), client.release.bind(client)];
    client.query = traced(tracer, query);
    client.release = (...args) => {
      Reflect.deleteProperty(client, "query");
      release(...args);
    };
    return client;
  };
  // The pool's own query takes a connection with a callback. Nothing here uses it, so it has no span.
  pool.connect = ((...args: unknown[]) =>
    args.length === 0 ? take() : connect(...args)) as typeof pool.connect;
}
