/** A span for each command of a request, from what the client itself publishes (node:diagnostics_channel). */
import { tracingChannel } from "node:diagnostics_channel";
import { context, SpanKind, SpanStatusCode, trace, type Span, type Tracer } from "@opentelemetry/api";

/** What node-redis says of a command (@redis/client, dist/lib/client/tracing.d.ts). Its arguments are left out: they may be secrets. */
interface Command {
  readonly command?: string;
  readonly batchMode?: string;
  readonly batchSize?: number;
  readonly error?: unknown;
}

const CHANNELS = ["node-redis:command", "node-redis:batch"] as const;

/** @returns what ends it */
export function watchRedis(tracer: Tracer): () => void {
  const spans = new WeakMap<object, Span>();
  const subscribers = {
    start(message: object): void {
      const parent = context.active();
      if (trace.getSpan(parent) === undefined) return;
      const { command, batchMode, batchSize } = message as Command;
      const operation = command ?? batchMode ?? "";
      const span = tracer.startSpan(
        `Redis ${operation}`,
        {
          kind: SpanKind.CLIENT,
          attributes: {
            "db.system.name": "redis",
            "db.operation.name": operation,
            ...(batchSize === undefined ? {} : { "db.operation.batch.size": batchSize }),
          },
        },
        parent,
      );
      spans.set(message, span);
    },
    asyncEnd(message: object): void {
      spans.get(message)?.end();
    },
    error(message: object): void {
      spans.get(message)?.setStatus({ code: SpanStatusCode.ERROR });
    },
    end: (): void => undefined,
    asyncStart: (): void => undefined,
  };
  const channels = CHANNELS.map((name) => tracingChannel<unknown, object>(name));
  for (const channel of channels) channel.subscribe(subscribers);
  return () => {
    for (const channel of channels) channel.unsubscribe(subscribers);
  };
}
