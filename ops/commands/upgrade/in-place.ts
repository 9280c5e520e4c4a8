/** The part of an upgrade in which the service waits: the last copy, the exchange of the data, and the new server. */
import { settledContainers } from "../../engine/health-report.ts";
import { dataVolumeName } from "../../../infra/resources/volume.ts";
import { stackChanges } from "../../stack/changes.ts";
import { deploy, summarise } from "../../stack/deploy.ts";
import { ASIDE } from "../../stack/exchange-stage.ts";
import { exportState } from "../../stack/open-stack.ts";
import { quietly } from "../../stack/quiet.ts";
import type { Session } from "../../stack/session.ts";
import { say, signals } from "../../stack/this-process.ts";
import { currentOptions } from "../../stack/use-version.ts";
import { OpsError } from "../../terminal/errors.ts";
import { undivided } from "../../terminal/signals.ts";
import {
  exchangeRestored,
  keepAside,
  putBack,
  scriptRunner,
  stopServer,
  whileUnderMaintenance,
  type RunScript,
} from "../restore/exchange.ts";
import type { Exchanging } from "../restore/hold.ts";
import { exchangeScripts, markOf } from "../restore/exchange-scripts.ts";
import { postgresStore } from "../restore/stores.ts";
import type { NewRoom } from "./room.ts";
import type { Server } from "./server.ts";
import { fileNow, restoreFile, setImage } from "./stack-image.ts";

export interface Upgraded {
  readonly from?: number;
  readonly to: number;
  readonly image: string;
  /** How long the API answered 503, in seconds; undefined for a run that went on with a former one. */
  readonly downtime?: number;
  readonly tables?: number;
  readonly rows?: number;
  /** The dump that the new server was made of. */
  readonly backup?: string;
  /** The volume with the old data. */
  readonly aside?: string;
}

export interface Exchange {
  readonly server: Server;
  readonly room: NewRoom;
  readonly image: string;
  readonly from: number;
  readonly version: number;
  readonly deploy: Deploy;
  /** The whole command, for what has to be done again. */
  readonly again: string;
}

/** The server on the data that is in the volume, with what the stack has of it beside its data. */
export interface Deploy {
  /** With the new version, which the stack's file then names. */
  readonly next: () => Promise<void>;
  /** With the version of before, and the file as it was. */
  readonly before: () => Promise<void>;
}

export const MESSAGE = "The service's database is being upgraded.";
/** How long the stack may take to be healthy again, in seconds. */
export const SETTLE_SECONDS = 120;
const scripts = exchangeScripts(postgresStore);

/** By Pulumi, as every deploy. @param silent standard output is for JSON */
export function deployBy(session: Session, image: string, silent: boolean): Deploy {
  const before = fileNow(session);
  return {
    next: () => deployServer(setImage(session, image), silent),
    before: () => deployServer(restoreFile(session, before), silent),
  };
}

/** @throws OpsError; the old data is then in place again, and can be written to */
export async function putInPlace(session: Exchanging, exchange: Exchange): Promise<Upgraded> {
  const { stack } = session;
  const { room, image, from, version, again } = exchange;
  const run = scriptRunner(session, "postgres", room.image);
  const title = `upgrading PostgreSQL of stack ${stack} to ${version}`;
  const done: { restored?: Awaited<ReturnType<NewRoom["upgrade"]>> } = {};
  // While nobody waits for it yet.
  signals.begin({ title: "waiting for the backup room" });
  await room.whenFree();
  const started = performance.now();
  const upgrade = async (): Promise<void> => {
    signals.begin(undivided(title));
    done.restored = await lastCopy(exchange);
    await exchangeData(session, exchange, run, markOf(done.restored));
    await serveOrUndo(session, exchange, run);
  };
  await quietly(session, title, () => whileUnderMaintenance(session, MESSAGE, upgrade), "postgres");
  const downtime = Math.round((performance.now() - started) / 100) / 10;
  const { backup, tables, rows } = done.restored ?? {};
  const aside = await keepAside(session, postgresStore, run, again);
  return { from, to: version, image, downtime, tables, rows, backup: backup?.id, aside };
}

/** From here on nobody can write. What was written until then is in the copy. */
async function lastCopy({ server, room }: Exchange): Promise<Awaited<ReturnType<NewRoom["upgrade"]>>> {
  try {
    await server.freeze();
    endIfAsked();
    const restored = await room.upgrade();
    endIfAsked();
    // Whoever goes back to the old data can write to it. This server stays as it is until it stops.
    await server.thaw("next start");
    return restored;
  } catch (error) {
    await thawNow(server);
    throw error;
  }
}

function endIfAsked(): void {
  if (signals.requested) throw signals.error();
}

async function thawNow(server: Server): Promise<void> {
  await server
    .thaw("now")
    .catch((reason: Error) =>
      say(
        `PostgreSQL still refuses writes (ALTER SYSTEM RESET default_transaction_read_only): ${reason.message}`,
      ),
    );
}

/** @throws OpsError; the old server is then on the old data, and takes writes */
async function exchangeData(
  session: Exchanging,
  { server }: Exchange,
  run: RunScript,
  mark: string,
): Promise<void> {
  try {
    await stopServer(session, "postgres");
  } catch (error) {
    // It may run on as it was, and would read its settings at its next start only.
    await putBack(session, postgresStore, run).catch(() => thawNow(server));
    throw error;
  }
  try {
    await exchangeRestored(session, postgresStore, run, mark);
  } catch (error) {
    await putBack(session, postgresStore, run);
    throw error;
  }
}

/** The data is the new one: the new server on it, or all as it was. */
async function serveOrUndo(session: Exchanging, { deploy: by }: Exchange, run: RunScript): Promise<void> {
  try {
    await by.next();
  } catch (error) {
    say("The new server does not serve: the old data and the old version are put back.");
    // Also where it was a person who ended it: the way back is gone to its end.
    signals.acknowledge();
    try {
      await stopServer(session, "postgres");
      await run(scripts.undo);
      await by.before();
    } catch (reason) {
      throw new OpsError(
        `The upgrade failed, and so did the way back: ${(reason as Error).message}`,
        `The old data is in volume ${dataVolumeName(session.stack, "postgres")}, in its folder ${ASIDE} or in place. ` +
          `See docs/runbook.md, "An upgrade of PostgreSQL was broken off".`,
        undefined,
        { cause: error },
      );
    }
    throw error;
  }
}

/** The stack with its config as it is now; its own commands bring roles, passwords and schema up to date. */
export async function deployServer(session: Session, silent: boolean): Promise<void> {
  const { docker, stack, handle } = session;
  const outputs = await deploy(session, {
    title: `bringing PostgreSQL of stack ${stack} up`,
    options: currentOptions(session, await stackChanges(docker, session)),
    refresh: false,
    silent,
    replace: postgresStore.commands(await exportState(handle)),
  });
  await summarise(session, outputs, silent);
  // It answers before its next health check has said so, and whoever looks next shall not find it "starting".
  await settledContainers(docker, stack, SETTLE_SECONDS);
}
