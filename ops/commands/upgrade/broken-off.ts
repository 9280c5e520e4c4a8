/** An upgrade that was broken off: the data in the volume says where, and the same command goes on from there, or begins anew. */
import { majorOf } from "../../../infra/components/database/version.ts";
import { dataVolumeName } from "../../../infra/resources/volume.ts";
import { settledContainers } from "../../engine/health-report.ts";
import { readVolumeFile } from "../../engine/volume-file.ts";
import { prepare } from "../../stack/deploy.ts";
import { exchangeHeld, exchangeUnderWay } from "../../stack/exchange-holder.ts";
import { ASIDE, exchangeStage, type ExchangeStage } from "../../stack/exchange-stage.ts";
import { dataMajor } from "../../stack/postgres-version.ts";
import type { Session } from "../../stack/session.ts";
import { say } from "../../stack/this-process.ts";
import { exit, OpsError } from "../../terminal/errors.ts";
import {
  bringShell,
  keepAside,
  roomRunner,
  settleExchange,
  whileUnderMaintenance,
} from "../restore/exchange.ts";
import { postgresStore } from "../restore/stores.ts";
import { deployServer, MESSAGE, SETTLE_SECONDS, type Upgraded } from "./in-place.ts";
import { setImage } from "./stack-image.ts";

/** What is in the data volume, and in the config. */
export interface Found {
  readonly exchange: ExchangeStage;
  /** The version of the data; undefined where there is none. */
  readonly major: number | undefined;
  /** The version of what was moved aside, and is not kept elsewhere yet. */
  readonly aside: number | undefined;
  /** The version of omniai:postgresImage; undefined where its name does not say it. */
  readonly config: number | undefined;
}

/**
 * half: the data is being exchanged. exchanged: the new data is in place, and the old not kept yet. deployed: the new data is in place
 * and the old is kept, and the config does not have the new version. over: there is nothing to do.
 */
export type Stage = "not begun" | "half" | "exchanged" | "deployed" | "over";

/** Pure: how far an upgrade to this version has come. */
export function stageOf({ exchange, major, aside, config }: Found, version: number): Stage {
  if (exchange === "half") return "half";
  if (major !== version) return "not begun";
  // What a restore has moved aside is of the same version.
  if (exchange === "complete" && aside !== undefined && aside < version) return "exchanged";
  return config === undefined || config === version ? "over" : "deployed";
}

async function look({ docker, stack, settings }: Session, exchange: ExchangeStage): Promise<Found> {
  const volume = dataVolumeName(stack, "postgres");
  const path = `${ASIDE}/PG_VERSION`;
  const aside = exchange === "complete" ? await readVolumeFile(docker, { stack, volume, path }) : undefined;
  return {
    exchange,
    major: await dataMajor(docker, stack),
    aside: aside === undefined ? undefined : Number(aside.trim()),
    config: majorOf(settings.config.postgresImage ?? ""),
  };
}

export interface Wish {
  readonly image: string;
  readonly version: number;
  /** The whole command, for what has to be done again. */
  readonly again: string;
  /** Standard output is for JSON. */
  readonly silent: boolean;
  /** Asks the operator, who may end the command. */
  readonly confirm: (what: string) => Promise<void>;
}

/** For a trial, which changes nothing of the stack. @throws OpsError where an upgrade or a restore was broken off */
export async function refuseBrokenOff(session: Session, { version, again }: Wish): Promise<void> {
  const { stack } = session;
  const exchange = await exchangeStage(session, "postgres");
  const stage = stageOf(await look(session, exchange), version);
  if (stage === "over") throw already(stack, version);
  if (stage === "not begun") return;
  const underWay = await exchangeUnderWay(session.docker, stack, "postgres");
  if (underWay !== undefined) throw exchangeHeld(stack, "postgres", underWay);
  throw new OpsError(
    `An upgrade or a restore of stack ${stack} was broken off while it put data in place, so there is nothing to try. Nothing was changed.`,
    `Let it come to its end first: ${again}`,
  );
}

/** @returns what was finished; undefined where the upgrade has to be done. @throws OpsError where there is nothing to do */
export async function goOn(session: Session, wish: Wish): Promise<Upgraded | undefined> {
  const { stack } = session;
  const { image, version, again, silent, confirm } = wish;
  const { found, run } = await settleExchange(session, postgresStore, () => bringShell(session));
  if (found === "half") {
    await settledContainers(session.docker, stack, SETTLE_SECONDS);
    return undefined;
  }
  const stage = stageOf(await look(session, found), version);
  if (stage === "over" || stage === "not begun") {
    // What an earlier run, of a restore for example, has put aside and could not keep.
    if (found === "complete") await keepAside(session, postgresStore, run, again);
    if (stage === "over") throw already(stack, version);
    return undefined;
  }
  await confirm(
    `An upgrade of stack ${stack} was broken off after it had put the data of PostgreSQL ${version} in place. This goes on: it writes ${image} into ` +
      `Pulumi.${stack}.yaml and deploys it. The API answers 503 meanwhile.`,
  );
  say(`The upgrade of stack ${stack} goes on.`);
  const changed = setImage(session, image);
  await prepare(changed);
  await whileUnderMaintenance(changed, MESSAGE, () => deployServer(changed, silent));
  if (stage !== "exchanged") return { to: version, image };
  // By the room that the deploy has brought.
  const anew = await roomRunner(session, "postgres");
  return { to: version, image, aside: await keepAside(session, postgresStore, anew, again) };
}

const already = (stack: string, version: number): OpsError =>
  new OpsError(
    `Stack ${stack} has PostgreSQL ${version} already.`,
    "Name a newer major version.",
    exit.usage,
  );
