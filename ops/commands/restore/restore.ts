/**
 * `npm run restore`: brings a backup back. By default beside what runs, which shows that it would work and what would
 * change; with --replace in place of the stack's data, which is kept aside.
 */
import type Docker from "dockerode";
import {
  askRoom,
  NoRoomError,
  requireRoom,
  type BackupView,
  type RoomEvent,
} from "../../engine/backup-room.ts";
import { findPlace, type CommonOptions, type Place } from "../../stack/place.ts";
import { refuseExternal, refuseReplacing, refuseWithoutDumps } from "../../stack/external.ts";
import { prepareStackImages } from "../../stack/deploy.ts";
import { exchangeStage } from "../../stack/exchange-stage.ts";
import { openEngine } from "../../stack/look.ts";
import { checkOwnEngine } from "../../stack/identity.ts";
import { exportState } from "../../stack/open-stack.ts";
import { deployablePlace, openSession, type Session } from "../../stack/session.ts";
import { signals } from "../../stack/this-process.ts";
import { exit, explain, InterruptedError, OpsError } from "../../terminal/errors.ts";
import { npmRun } from "../../terminal/npm-run.ts";
import { bytes, duration, note, paint, print, printJson, table } from "../../terminal/output.ts";
import { confirmByTyping, requireTerminal } from "../../terminal/prompt.ts";
import { showEvents } from "../backup/progress.ts";

export interface RestoreOptions extends CommonOptions {
  readonly latest?: boolean;
  readonly id?: string;
  /** A moment, with its offset from UTC. */
  readonly to?: string;
  /** Of Redis instead of PostgreSQL: the newest copy, or the one of `id`. */
  readonly redis?: boolean;
  readonly replace?: boolean;
  readonly yes?: boolean;
}

/** What the room restored, and what of it differs from the stack. */
export interface Restored {
  readonly backup: BackupView;
  readonly seconds: number;
  /** Of what is kept for a replacement, and of nothing else (markOf). */
  readonly mark?: string;
  /** Present for a copy of Redis. */
  readonly store?: "redis";
  /** The last change that it has. */
  readonly until: string;
  readonly tables: number;
  readonly rows: number;
  readonly changes: readonly {
    readonly table: string;
    readonly backup: number | null;
    readonly now: number | null;
  }[];
  /** Why it could not be compared with the stack. */
  readonly notCompared?: string;
}

/** So many tables of a comparison are shown. */
const MOST_TABLES = 20;

export async function restore(options: RestoreOptions): Promise<void> {
  const which = choose(options);
  if (options.replace && !options.yes) {
    // First, because --yes would not help a wrong config.
    deployablePlace(options);
    requireTerminal();
  }
  const place = findPlace(options);
  const { config } = place.settings;
  refuseWithoutDumps(place.stack, config, "a restore");
  if (isOfRedis(options)) refuseExternal(place.stack, config, { what: "a restore", key: "redis" });
  else if (options.replace) refuseReplacing(place.stack, config);
  const session = options.replace ? await openOwnEngine(options) : undefined;
  const { docker } = session ?? (await openEngine(place, options));
  const room = await roomOr(docker, place.stack, async () => {
    if (session !== undefined) await settleWithoutRoom(session);
  });
  signals.begin({ title: `restoring beside stack ${place.stack}` });
  const show: (event: RoomEvent) => void = options.json ? () => undefined : showEvents();
  const keep = options.replace ? ["--keep"] : [];
  const restored = await askRoom<Restored>(docker, room, ["restore", ...which, ...keep], show);
  if (options.json && !options.replace) return printJson(restored);
  if (!options.json) printRestored(place, restored, options);
  if (!options.replace) return;
  const { postgresStore, redisStore } = await import("./stores.ts");
  const store = restored.store === "redis" ? redisStore : postgresStore;
  if (!options.yes) await ask(place, restored, store.title);
  const { replaceData } = await import("./replace.ts");
  const aside = await replaceData(options, restored, store);
  if (options.json) return printJson({ ...restored, aside });
  print(`Stack ${place.stack} has the data of backup ${restored.backup.id}, up to ${restored.until}.`);
  print(
    `What it had before is in volume ${paint("bold", aside)}. When nobody needs it: docker volume rm ${aside}`,
  );
}

/** Whether a copy of Redis is meant, by its flag or by its name. */
const isOfRedis = ({ redis, id }: RestoreOptions): boolean =>
  redis === true || id?.startsWith("redis-") === true;

/** What is to be replaced has to be the stack's own, which another engine has not. @throws OpsError */
async function openOwnEngine(options: CommonOptions): Promise<Session> {
  const session = await openSession(options, { create: false, judges: true });
  await checkOwnEngine({ ...session, state: await exportState(session.handle) });
  return session;
}

/**
 * @param settle what is done first where the room is gone or stopped; an engine that does not answer says nothing of the room.
 * @returns the room. @throws OpsError
 */
export async function roomOr(docker: Docker, stack: string, settle: () => Promise<void>): Promise<string> {
  try {
    return await requireRoom(docker, stack);
  } catch (error) {
    if (!(error instanceof NoRoomError)) throw error;
    await settle().catch((reason: unknown) => {
      if (reason instanceof InterruptedError) throw reason;
      const { what, remedy, exitCode } = explain(reason);
      throw new OpsError(
        `${error.message} An exchange that was broken off may have to be put back first, and that failed: ${what}`,
        [...(remedy === undefined ? [] : [remedy]), error.remedy].join("\n  "),
        exitCode,
        { cause: reason },
      );
    });
    throw error;
  }
}

/** The room comes back by a deploy, which refuses while an exchange is half way. */
async function settleWithoutRoom(session: Session): Promise<void> {
  const { bringShell, settleExchange } = await import("./exchange.ts");
  const { postgresStore, redisStore } = await import("./stores.ts");
  for (const store of [postgresStore, redisStore])
    if (
      (await exchangeStage(
        { ...session, bringImages: () => prepareStackImages(session) },
        store.workload,
      )) === "half"
    )
      await settleExchange(session, store, () => bringShell(session));
}

/** Pure: the room's arguments for the backup that is wanted. @throws OpsError when none or two are named */
export function choose({ latest, id, to, redis, stack }: RestoreOptions): string[] {
  if (redis && to !== undefined)
    throw new OpsError(
      "Redis has no moments in between: a copy of it is of one moment only.",
      `The newest: ${npmRun("restore", stack, "--redis", "--latest")}; another: --id with one of ${npmRun("backup", stack, "list")}.`,
      exit.usage,
    );
  const named = [latest === true, id !== undefined, to !== undefined].filter(Boolean).length;
  if (named !== 1) {
    throw new OpsError(
      named === 0
        ? "What to restore is not said."
        : "Only one of --latest, --id and --to can say what to restore.",
      `All that there is: ${npmRun("restore", stack, "--latest")}; a moment: --to "2026-11-22 14:03:00+01:00"; ` +
        `one backup: --id with one of ${npmRun("backup", stack, "list")}.`,
      exit.usage,
    );
  }
  return [
    ...(id === undefined ? [] : ["--id", id]),
    ...(to === undefined ? [] : ["--to", to]),
    ...(redis ? ["--redis"] : []),
  ];
}

async function ask({ stack }: Place, { backup }: Restored, title: string): Promise<void> {
  const question =
    `This replaces the data of ${title} in stack ${stack} by what backup ${backup.id} restores. The API answers 503 meanwhile. ` +
    "What is there now is kept in a volume of its own.";
  if (await confirmByTyping(question, stack)) return;
  throw new InterruptedError(`Nothing of stack ${stack} was replaced.`, "Nothing was changed.");
}

function printRestored(
  { stack, settings }: Place,
  restored: Restored,
  { replace, id, to, redis }: RestoreOptions,
): void {
  const { backup, seconds, until, tables, rows, changes, notCompared, store } = restored;
  print(
    `${paint("green", "✓")} Backup ${paint("bold", backup.id)} (${bytes(backup.bytes)}) restores in ${duration(seconds)}: ` +
      `${store === "redis" ? `${rows} keys` : `${tables} tables, ${rows} rows`}, up to ${until}.`,
  );
  if (notCompared !== undefined) note(`  It was not compared with the stack: ${notCompared}`);
  else if (changes.length === 0)
    print(store === "redis" ? "  The stack has as much." : "  The stack has the same rows in every table.");
  else {
    print(
      store === "redis"
        ? "  In the copy, and in the stack now:"
        : "  Rows in the backup, and in the stack now:",
    );
    const lines = changes
      .slice(0, MOST_TABLES)
      .map(({ table: name, backup: then, now }) => [name, `${then ?? "no table"}`, `${now ?? "no table"}`]);
    for (const line of table(lines, "    ")) print(line);
    if (changes.length > MOST_TABLES) print(`    and ${changes.length - MOST_TABLES} more tables`);
  }
  if (!replace && store !== "redis" && settings.config.database === "external") {
    print(
      "  Nothing of the provider's server was touched. How a dump gets into one: docs/external-databases.md.",
    );
  } else if (!replace) {
    print("  Nothing of the stack was touched. To put it in place of the stack's data:");
    const which = to === undefined ? (id === undefined ? ["--latest"] : ["--id", id]) : ["--to", `"${to}"`];
    print(`    ${npmRun("restore", stack, ...(redis ? ["--redis"] : []), ...which, "--replace")}`);
  }
}
