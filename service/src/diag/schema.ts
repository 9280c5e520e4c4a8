/** What /api/diag takes and answers. */
import { z } from "zod";
import { alertsDiagSchema } from "./alerts.ts";
import { backupsDiagSchema } from "./backups.ts";
import { certificateDiagSchema } from "./certificate.ts";
import { tunnelDiagSchema } from "./tunnel.ts";
import { clientPattern } from "../reports/schema.ts";
import { wholeNumber } from "../platform/query.ts";

/** Fields that are described as "Authorised" are shown to authorised users only. */
const statusSchema = z.enum(["pass", "warn", "fail"]);

export const diagSchema = z.strictObject({
  status: statusSchema,
  service: z.literal("omniai"),
  stack: z.string(),
  version: z.string(),
  build: z.string().describe("Content hash of the image; dev outside of one."),
  commit: z.string().optional().describe("The sources' commit; absent where it is not known."),
  replica: z.string(),
  time: z.iso.datetime(),
  uptimeSeconds: z.int(),
  draining: z.boolean(),
  auth: z.strictObject({ mode: z.string() }),
  database: z.strictObject({
    status: z.enum(["pass", "fail"]),
    version: z.string().optional(),
    latencyMs: z.number().optional(),
    pool: z.strictObject({ total: z.int(), idle: z.int(), waiting: z.int(), max: z.int() }),
    statStatements: z.boolean().optional().describe("Whether pg_stat_statements can be queried."),
    migrations: z
      .strictObject({ applied: z.int(), known: z.int(), pending: z.array(z.string()) })
      .optional()
      .describe("The newest version applied, the newest that this build knows, and what is missing."),
    sizeBytes: z.int().optional().describe("Authorised."),
    topStatements: z
      .array(
        z.strictObject({
          query: z.string(),
          calls: z.number(),
          totalMs: z.number(),
          meanMs: z.number(),
          rows: z.number(),
        }),
      )
      .optional()
      .describe("Authorised. Those of the service's own role, by total time."),
  }),
  redis: z.strictObject({
    status: z
      .enum(["pass", "fail", "absent"])
      .describe("absent: this service runs without Redis, as by npm run dev."),
    version: z.string().optional(),
    latencyMs: z.number().optional(),
    persistence: z
      .strictObject({ appendOnly: z.boolean(), lastWriteOk: z.boolean(), loading: z.boolean() })
      .optional(),
    memory: z
      .strictObject({
        usedBytes: z.int(),
        peakBytes: z.int(),
        maxBytes: z.int().describe("0 for no limit."),
        policy: z.string(),
      })
      .optional()
      .describe("Authorised."),
    storage: z
      .strictObject({
        appendOnlyBytes: z.int().optional(),
        lastRewriteOk: z.boolean(),
        lastSnapshotOk: z.boolean(),
        lastSnapshot: z.iso.datetime().optional(),
      })
      .optional()
      .describe("Authorised."),
  }),
  events: z.strictObject({ reader: z.enum(["starting", "following", "away"]), streams: z.int() }),
  providers: z.array(
    z.strictObject({
      name: z.string(),
      status: z.enum(["pass", "fail", "unknown"]),
      baseUrl: z.string().optional().describe("Authorised, like everything below."),
      circuit: z.enum(["closed", "open", "half-open"]).optional(),
      latencyMs: z.int().optional(),
      models: z.array(z.string()).optional(),
      checkedAt: z.iso.datetime().optional(),
      reason: z.string().optional(),
    }),
  ),
  backups: backupsDiagSchema.optional().describe("Authorised."),
  alerts: alertsDiagSchema.optional().describe("Authorised."),
  certificate: certificateDiagSchema.optional().describe("Authorised."),
  tunnel: tunnelDiagSchema.optional().describe("Authorised."),
  quality: z
    .strictObject({
      minutes: z.int(),
      reports: z.int(),
      clients: z.int(),
      latencyP50Ms: z.number().nullable(),
      latencyP95Ms: z.number().nullable(),
      reconnects: z.number(),
      errors: z.number(),
      topErrors: z
        .array(z.strictObject({ message: z.string(), count: z.number(), clients: z.int() }))
        .optional()
        .describe(
          "Authorised. The most frequent kinds of error in all pages; their texts come from anybody.",
        ),
    })
    .optional()
    .describe("What pages reported lately, as medians over the reports."),
});

export const summarySchema = z.strictObject({
  status: statusSchema,
  verdict: z.string(),
  reasons: z
    .array(
      z.strictObject({
        component: z.string(),
        status: z.enum(["warn", "fail"]),
        detail: z.string().optional().describe("Authorised."),
      }),
    )
    .describe("What is not well, the worst first; empty when all is well."),
  replica: z.string(),
  time: z.iso.datetime(),
  pageLevel: z.int().describe("The oldest level of a page that shows this service right."),
});

export const uptimeSchema = z.strictObject({
  known: z.boolean().describe("False while PostgreSQL cannot be asked."),
  days: z
    .array(
      z.strictObject({
        day: z.iso.date().describe("In UTC."),
        minutes: z
          .int()
          .describe(
            "How many of the day's minutes are known: all but those before the first start, and to come.",
          ),
        upMinutes: z.int().describe("In how many a replica took requests."),
        wellMinutes: z.int().describe("In how many nothing needed attention either."),
      }),
    )
    .describe("The last 90 days at most, the oldest first, without a gap."),
  time: z.iso.datetime(),
});

const topicsPattern = /^[A-Za-z0-9_.*,-]{1,200}$/;
export const connectionsQuerySchema = z.strictObject({
  limit: wholeNumber(1, 500).default(100).describe("How many connections a page has."),
  after: z
    .string()
    .regex(/^[A-Za-z0-9._:-]{1,200}$/)
    .optional()
    .describe("`next` of the page before this one."),
  replica: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,128}$/)
    .optional()
    .describe("Only those of this replica."),
  topic: z.string().regex(topicsPattern).optional().describe("Only those whose topics contain this text."),
  minQueuedBytes: wholeNumber(0, 1_000_000_000).optional(),
  client: z.string().regex(clientPattern).optional().describe("Only those of this page."),
  minSeconds: wholeNumber(0, 1_000_000_000)
    .optional()
    .describe("Only those that have been open for at least as long."),
});

export const connectionSchema = z.strictObject({
  id: z.string(),
  replica: z.string(),
  since: z.iso.datetime(),
  topics: z.string(),
  lastId: z
    .string()
    .optional()
    .describe("Everything up to this id was sent; absent while the stream still joins."),
  sentBytes: z.int(),
  queuedBytes: z.int().describe("Waiting for the client to take it."),
  live: z.boolean().describe("False while history is replayed."),
  client: z.string().optional().describe("The page's name, from the stream's parameter `client`."),
  reported: z
    .strictObject({
      at: z.iso.datetime(),
      roundTripMs: z.number().optional(),
      reconnects: z.int(),
    })
    .optional()
    .describe("The newest report of that client in the last 15 minutes: a server cannot see these itself."),
});

export const connectionsSchema = z.strictObject({
  streams: z.int().describe("The open streams of all replicas in the list."),
  replicas: z.array(
    z.strictObject({
      replica: z.string(),
      streams: z.int(),
      max: z.int(),
      ageMs: z.int().describe("How old this information is."),
    }),
  ),
  complete: z.boolean().describe("False when Redis was away, and only this replica is in the list."),
  connections: z.array(connectionSchema).optional().describe("Authorised, like everything below."),
  matching: z.int().optional().describe("How many match the filter, on all pages."),
  missing: z
    .array(z.string())
    .optional()
    .describe("Replicas whose connections are not known yet: ask again in some seconds."),
  next: z.string().optional().describe("For `after`; absent on the last page."),
});

export type Connection = z.output<typeof connectionSchema>;
export type ConnectionsQuery = z.output<typeof connectionsQuerySchema>;
export type Summary = z.output<typeof summarySchema>;
export type Uptime = z.output<typeof uptimeSchema>;
export type Diag = z.output<typeof diagSchema>;
