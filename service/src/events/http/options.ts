/** What the routes of /api/events work with. */
import type { Auth } from "../../auth/auth.ts";
import type { ByteBudget } from "../../platform/byte-budget.ts";
import type { EventsConfig } from "../../platform/env/config.ts";
import type { Logger } from "../../platform/logging.ts";
import type { EventLog } from "../log/log.ts";
import type { Hub } from "../stream/hub.ts";
import type { EventsMetrics } from "../stream/metrics.ts";
import type { RejectedStreams } from "../stream/rejected-streams.ts";
import type { Streams } from "../stream/streams.ts";
import type { Admission } from "./admission.ts";

export interface EventsRouterOptions {
  readonly log: EventLog;
  readonly hub: Hub;
  readonly streams: Streams;
  readonly admission: Admission;
  readonly rejectedStreams: RejectedStreams;
  /** What answers to polls take while they are under way. */
  readonly answers: ByteBudget;
  readonly metrics: EventsMetrics;
  readonly config: EventsConfig;
  readonly auth: Auth;
  readonly bodyLimitBytes: number;
  readonly logger: Logger;
}
