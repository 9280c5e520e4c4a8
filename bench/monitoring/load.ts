/** What the monitoring takes idle and under load, and what it costs the service. */
import { setTimeout as sleep } from "node:timers/promises";
import { PARTS } from "../../infra/components/monitoring/plan.ts";
import { docker } from "../../test/support/stack.ts";
import { median, type Row } from "../report.ts";
import { askFor, buildLoad, KINDS, send } from "../requests/send.ts";
import { addressOf, one, takenDuring, type WatchedStack } from "./stack.ts";

/** How long each look lasts, in seconds. */
const LOOK = 60;
/** Rounds with and without the monitoring, by turns, and how long one lasts in seconds. */
const ROUNDS = 8;
const ROUND = 10;
const [reads] = KINDS;

interface Load {
  readonly answered: number;
  readonly perSecond: number;
}

async function load(program: string, address: string, seconds: number, rate: number): Promise<Load> {
  const options = { ...askFor(reads, address), rate, connections: 20, duration: `${seconds}s` };
  const { answered } = await send(program, options);
  return { answered, perSecond: answered / seconds };
}

function partsOf(when: string, taken: Awaited<ReturnType<typeof takenDuring>>, limit?: number): Row[] {
  const sum = (pick: (one: { memory: number; cores: number }) => number): number =>
    [...taken.values()].reduce((total, one) => total + pick(one), 0);
  const detail = [...taken]
    .map(([part, { memory, cores }]) => `${part} ${memory.toFixed(0)} MiB ${(cores * 100).toFixed(1)} %`)
    .join(", ");
  return [
    {
      what: `memory of all parts, ${when}`,
      unit: "MiB",
      values: [sum(({ memory }) => memory)],
      limit,
      detail,
    },
    { what: `CPU of all parts, ${when}`, unit: "% of a core", values: [sum(({ cores }) => cores) * 100] },
  ];
}

export async function measureLoad({ stack }: WatchedStack, folder: string, rate: number): Promise<Row[]> {
  const program = buildLoad(folder);
  const address = await addressOf(stack);
  // What a start takes is over.
  await sleep(LOOK * 1000);
  const idle = await takenDuring(stack, () => sleep(LOOK * 1000));
  const busy = await takenDuring(stack, () => load(program, address, LOOK, rate));
  const parts = await Promise.all(PARTS.map((part) => one(stack, part)));
  const [watched, alone]: [number[], number[]] = [[], []];
  // By turns, and begun by each in turn: a machine that gets slower slows both.
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const isWatched of round % 2 === 0 ? [true, false] : [false, true]) {
      if (!isWatched) await Promise.all(parts.map((part) => docker.getContainer(part).pause()));
      try {
        (isWatched ? watched : alone).push((await load(program, address, ROUND, 0)).perSecond);
      } finally {
        if (!isWatched) await Promise.all(parts.map((part) => docker.getContainer(part).unpause()));
      }
    }
  }
  const [withIt, without] = [median(watched), median(alone)];
  return [
    ...partsOf("idle", idle, 220),
    ...partsOf(`at ${rate} requests a second`, busy),
    {
      what: "requests a second that it costs the service at its limit",
      unit: "%",
      values: [(1 - withIt / without) * 100],
      limit: 2,
      detail: `${withIt.toFixed(0)} with it, ${without.toFixed(0)} with all of its parts paused; median of ${ROUNDS} rounds of ${ROUND} s each, by turns`,
    },
  ];
}
