/** Clients of several machines of a lab at the same time, as a load balancer or a tunnel in front of them sends them. */
import { strict as assert } from "node:assert";
import { tellFailure, type LoadFailure } from "../load.ts";
import { assertNothingDropped, startTraffic, type TrafficResult } from "../traffic.ts";
import type { Machine } from "./machine.ts";
import type { SwarmStack } from "./stack.ts";
import { startWitness } from "./witness.ts";

/** Of each machine: requests a second, and clients that follow the events. */
const RATE = 20;
const STREAMS = 3;

/** How soon requests succeed again after a machine was lost, in seconds. */
export const BACK_SECONDS = 15;

/** Clients that ask the edge of a machine. */
export interface Clients {
  readonly of: Machine;
  /** Where they go once it takes no connection, as whatever is in front of the edges has them do; default: nowhere. */
  readonly instead?: readonly Machine[];
  /**
   * How many of them follow the events; default 3. One whose machine loses its power hears of nothing, and would wait for ever: pages
   * notice by the heartbeats that are missing.
   */
  readonly streams?: number;
}

/** What clients got while something happened, in their order. */
export async function resultsDuring(
  swarm: SwarmStack,
  clients: readonly Clients[],
  work: () => Promise<void>,
): Promise<TrafficResult[]> {
  const begun = await Promise.allSettled(
    clients.map(({ of, instead = [], streams = STREAMS }) => {
      const others = instead.map((other) => swarm.urlOf(other));
      return startTraffic(swarm.urlOf(of), RATE, streams, {}, others);
    }),
  );
  const all = begun.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  const failed = begun.find((one) => one.status === "rejected");
  if (failed !== undefined) {
    await Promise.allSettled(all.map((traffic) => traffic.stop()));
    throw failed.reason as Error;
  }
  // Stopped in any case, or it would go on while the next test runs.
  const broken = await work().then(
    () => undefined,
    (error: unknown) => ({ error }),
  );
  const results = await Promise.all(all.map((traffic) => traffic.stop()));
  if (broken !== undefined) throw broken.error;
  return results;
}

/** The same for what is planned: nothing fails. What does is told with all that happened around it. */
export async function assertNothingLost(
  swarm: SwarmStack,
  machines: readonly Machine[],
  work: () => Promise<void>,
): Promise<void> {
  const witness = startWitness(swarm.lab, Object.values(swarm.services));
  try {
    const clients = machines.map((of) => ({ of }));
    const results = await resultsDuring(swarm, clients, work);
    const failures = results.flatMap((result) => result.failures);
    if (failures.length > 0) console.log(witness.explain(failures));
    results.forEach(assertNothingDropped);
  } finally {
    witness.stop();
  }
}

/**
 * What was in flight on a lost machine may fail; acknowledged events are all there, once and in order.
 * @param events when it was lost, and when the network was back where that counts as well (Unix ms)
 */
export function assertOnlyInFlight(result: TrafficResult, ...events: readonly number[]): void {
  // What had ended before is of none of them.
  const secondsAfter = ({ at, ms }: LoadFailure): number =>
    Math.min(...events.filter((event) => event <= at + ms).map((event) => Math.max(0, at - event) / 1000));
  const after = result.failures.map((failure) => ({ failure, seconds: secondsAfter(failure) }));
  const late = after.filter(({ seconds }) => seconds > BACK_SECONDS);
  const last = Math.max(0, ...after.map(({ seconds }) => seconds));
  console.log(
    `      ${result.failures.length} of ${result.sent} requests failed, the last ${last.toFixed(1)} s after` +
      (result.elsewhere > 0 ? `; ${result.elsewhere} went to another machine` : ""),
  );
  assert.deepEqual(
    late.map(({ failure }) => tellFailure(failure)),
    [],
    `requests still failed ${BACK_SECONDS} s after`,
  );
  assertNothingDropped({ ...result, failures: [], refusals: 0 });
}
