/**
 * How far an exchange of a store's data within its volume has come, by marks in the folder of the old data. Every command that
 * deploys, restores or upgrades reads them first, so that one that was killed is never taken for anything else.
 */
import type Docker from "dockerode";
import { IDENTITY_FILE } from "../../infra/resources/identity.ts";
import { dataVolumeName } from "../../infra/resources/volume.ts";
import { readVolumeFile } from "../engine/volume-file.ts";
import { OpsError } from "../terminal/errors.ts";
import { npmRun } from "../terminal/npm-run.ts";
import { exchangeHeld, exchangeUnderWay } from "./exchange-holder.ts";
import { say } from "./this-process.ts";

/** The folder in the data volume where the old data waits. */
export const ASIDE = ".replaced";
/** A mark in there as long as the folder is: it appears with it, and goes with it. */
export const EXCHANGE = `${ASIDE}/.exchange`;
/** The old data is on its way, there or back: a part of it is in its own place still, or again. */
export const MOVING = `${ASIDE}/.moving`;
/** The old data is all there, and what is in its place is not whole: the new one, or a rest of it that goes away. */
export const COPYING = `${ASIDE}/.copying`;

/**
 * none: nothing has begun, or all of it is over. half: neither data is whole in its place, so the old one goes back. complete: the
 * new data is in place, and may have served for long: nothing rolls it back, and the old one is kept before anything else.
 */
export type ExchangeStage = "none" | "half" | "complete";

export interface Marks {
  readonly exchange: boolean;
  readonly moving: boolean;
  readonly copying: boolean;
}

/** Pure. */
export function stageOf({ exchange, moving, copying }: Marks): ExchangeStage {
  if (moving || copying) return "half";
  return exchange ? "complete" : "none";
}

/** The stores whose data can be exchanged. */
export type Exchanged = "postgres" | "redis";

export interface Where {
  readonly docker: Docker;
  readonly stack: string;
  readonly bringImages?: () => Promise<void>;
}

export async function exchangeStage(
  { docker, stack, bringImages }: Where,
  workload: Exchanged,
): Promise<ExchangeStage> {
  const volume = dataVolumeName(stack, workload);
  const has = async (path: string): Promise<boolean> =>
    (await readVolumeFile(docker, { stack, volume, path }, bringImages)) !== undefined;
  const exchange = await has(EXCHANGE);
  return exchange
    ? stageOf({ exchange, moving: await has(MOVING), copying: await has(COPYING) })
    : stageOf({ exchange, moving: false, copying: false });
}

/**
 * The identity of the data in a volume (docs/decisions/0033-identity.md), also where an exchange was broken off: the stack's data is
 * then the one that lies aside, and what is in its place may be of another identity.
 * @returns undefined where there is none
 */
export async function readIdentity(where: Where, workload: string): Promise<string | undefined> {
  const { docker, stack, bringImages } = where;
  const volume = dataVolumeName(stack, workload);
  const read = async (path: string): Promise<string | undefined> =>
    (await readVolumeFile(docker, { stack, volume, path }, bringImages))?.trim() || undefined;
  const isExchanged = workload === "postgres" || workload === "redis";
  const half = isExchanged && (await exchangeStage(where, workload)) === "half";
  return (half ? await read(`${ASIDE}/${IDENTITY_FILE}`) : undefined) ?? read(IDENTITY_FILE);
}

/**
 * For a command that deploys: a server on data of which a part is elsewhere would begin anew, or break what is there.
 * @throws OpsError that names what puts the old data back, or who exchanges it now
 */
export async function checkExchange(where: Where, workload: Exchanged): Promise<void> {
  const { docker, stack } = where;
  const stage = await exchangeStage(where, workload);
  const volume = dataVolumeName(stack, workload);
  if (stage === "half") {
    const underWay = await exchangeUnderWay(docker, stack, workload);
    throw underWay === undefined ? halfExchanged(stack, workload) : exchangeHeld(stack, workload, underWay);
  }
  if (stage === "complete")
    say(
      `What a restore or an upgrade has replaced of ${workload} is still in ${volume}, in its folder ${ASIDE}. ` +
        `The same command, run again, keeps it in a volume of its own; nothing else touches it.`,
    );
}

/** Pure. */
export function halfExchanged(stack: string, workload: Exchanged): OpsError {
  const redis = workload === "redis";
  const restore = npmRun("restore", stack, ...(redis ? ["--redis"] : []), "--latest", "--replace");
  return new OpsError(
    `An exchange of the data of ${workload} in stack ${stack} was broken off, by a restore or an upgrade. Nothing is lost: the old data is ` +
      `in volume ${dataVolumeName(stack, workload)}, partly in its folder ${ASIDE}. Nothing was changed.`,
    `Run the command again that was broken off; it puts the old data back first. A restore: ${restore}` +
      (redis ? "" : `; an upgrade: ${npmRun("upgrade", stack, "postgres", "VERSION")}`),
  );
}
