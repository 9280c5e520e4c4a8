/** The checks that several scenarios share. */
import type { Evidence, Verdict } from "./scenario.ts";
import { EVENT, GET, ROW } from "./traffic.ts";

const count = (what: string, value: number | undefined): Verdict => ({
  what: `${what}: ${value ?? 0}`,
  holds: (value ?? 0) === 0,
});

export const atMost = (what: string, value: number, limit: number, unit: string): Verdict => ({
  what: `${what}: ${value.toFixed(1)} ${unit}, at most ${limit} ${unit}`,
  holds: value <= limit,
});

/** Neither the database nor the log lost or duplicated anything that was acknowledged. */
export const nothingLost = ({ figures }: Evidence): Verdict[] => [
  count("acknowledged rows missing", figures.rowsMissing),
  count("rows doubled", figures.rowsDoubled),
  count("acknowledged events lost", figures.eventsLost),
  count("events doubled", figures.eventsDoubled),
  count("events out of order", figures.eventsDisordered),
  count("streams told that history is gone", figures.resets),
];

/** How long a stream may be without an event in a planned change, in seconds. */
export const SILENCE_SECONDS = 5;

/** No request fails and no stream is disturbed. */
export const nothingDropped = (evidence: Evidence): Verdict[] => {
  const { figures } = evidence;
  return [
    count("failed GET", figures.failed[GET]),
    count("failed POST", (figures.failed[ROW] ?? 0) + (figures.failed[EVENT] ?? 0)),
    ...nothingLost(evidence),
    count("streams answered with other than 200", figures.refusals),
    atMost("longest silence of a stream", figures.longestSilence, SILENCE_SECONDS, "s"),
  ];
};

/** @param hosts the host names of the replicas that may answer. */
export const answeredOnlyBy = ({ account }: Evidence, hosts: readonly string[]): Verdict => {
  const others = account.requests.replicas.filter((name) => !hosts.includes(name));
  return { what: `requests were answered by ${others.length} others`, holds: others.length === 0 };
};

export const quickEnough = ({ figures }: Evidence): Verdict => {
  const limit = 3 * figures.quietP99Ms;
  return {
    what: `p99: ${figures.p99Ms} ms, under 3 times the quiet ${figures.quietP99Ms} ms`,
    holds: figures.p99Ms < limit,
  };
};
