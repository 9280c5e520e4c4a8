/** What is lost with PostgreSQL's volume under acknowledged writes, and how exact a restore to a chosen second is. */
import { buildImage, untilVerified, World } from "../../test/support/backup-room/world.ts";
import {
  loseUnderWrites,
  RATE,
  restoredRows,
  startWriter,
  TABLE,
  type Acknowledged,
} from "../../test/support/backup-room/writer.ts";
import type { Row } from "../report.ts";

const SECONDS = 20;
const CLIENTS = 8;

const percentile = (values: readonly number[], share: number): number =>
  [...values].sort((left, right) => left - right)[Math.floor(values.length * share)] ?? NaN;

async function createWorld(synchronous: boolean): Promise<World> {
  const world = await World.create(await buildImage(), { synchronous });
  await world.psql(`\\connect omniai\n${TABLE}`);
  await world.startRoom();
  await untilVerified(world);
  return world;
}

export interface Loss {
  readonly rows: readonly Row[];
  /** For the chart: how long a commit took, in ms. */
  readonly commit: { readonly p50: number; readonly p99: number };
}

export async function measureLoss(synchronous: boolean): Promise<Loss> {
  const world = await createWorld(synchronous);
  try {
    const { acknowledged, missing, age, commits, restoreSeconds } = await loseUnderWrites(world, SECONDS);
    const mode = synchronous ? "synchronous" : "default";
    const commit = { p50: percentile(commits, 0.5), p99: percentile(commits, 0.99) };
    return {
      commit,
      rows: [
        {
          what: `${mode}: acknowledged rows missing after SIGKILL and the loss of the volume`,
          unit: "rows",
          values: [missing],
          ...(synchronous ? { limit: 0 } : {}),
          detail: `of ${acknowledged}, ${(acknowledged / SECONDS).toFixed(0)} a second`,
        },
        {
          what: `${mode}: the oldest of them, before the loss`,
          unit: "s",
          values: [age / 1000],
          limit: synchronous ? 0 : 5,
          detail: `restored in ${restoreSeconds.toFixed(1)} s`,
        },
        { what: `${mode}: a commit, p50`, unit: "ms", values: [commit.p50] },
        { what: `${mode}: a commit, p99`, unit: "ms", values: [commit.p99] },
      ],
    };
  } finally {
    await world.remove();
  }
}

/** Restores to a second in the middle of the writing: what was acknowledged before it, and nothing that began after it. */
export async function measureMoment(): Promise<Row[]> {
  const world = await createWorld(false);
  try {
    await world.get("backup");
    const writer = await startWriter(world, RATE);
    await writer.running(8);
    const moment = new Date(Math.floor(Date.now() / 1000) * 1000);
    await writer.running(8);
    await writer.stop();
    const acknowledged = await writer.ended();
    const { code, what } = await world.ask("restore", "--keep", "--to", moment.toISOString());
    if (code !== 0) throw new Error(what);
    const there = await restoredRows(world);
    const before = (one: Acknowledged): boolean => one.at < moment.getTime();
    const missing = acknowledged.filter((one) => before(one) && one.n > (there.get(one.client) ?? 0));
    // A row whose commit had begun at that moment and was acknowledged just after it belongs to either side.
    const longest = Math.max(...acknowledged.map(({ ms }) => ms));
    const extra = acknowledged.filter(
      (one) => one.at > moment.getTime() + longest && one.n <= (there.get(one.client) ?? 0),
    );
    const detail = `of ${acknowledged.filter(before).length} before the second, by ${CLIENTS} clients at once`;
    return [
      {
        what: "to a chosen second: rows missing that were acknowledged before it",
        unit: "rows",
        values: [missing.length],
        limit: 0,
        detail,
      },
      {
        what: "to a chosen second: rows too many, written after it",
        unit: "rows",
        values: [extra.length],
        limit: 0,
        detail: `of ${acknowledged.length - acknowledged.filter(before).length} after it`,
      },
    ];
  } finally {
    await world.remove();
  }
}
