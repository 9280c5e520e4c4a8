/** How much load the benches with deploys send, by their command lines, and what a stack under it needs. */
import type { LoadSize } from "./traffic.ts";

/** For parseArgs: requests a second, streams, and events a second. */
export const loadOptions = {
  rate: { type: "string", default: "200" },
  streams: { type: "string", default: "500" },
  events: { type: "string", default: "20" },
} as const;

export const readLoad = ({ rate, streams, events }: Readonly<Record<keyof LoadSize, string>>): LoadSize => ({
  rate: Number(rate),
  streams: Number(streams),
  events: Number(events),
});

/** All load comes from one address, so the limits for one address have to be higher than the load. */
export const loadConfig = { clientReportsPerMinute: 60_000 };
