/**
 * `npm run move -- HOST`: takes a stack to another machine. The bulk of the data goes ahead while the stack serves; then it
 * refuses for a moment, the rest follows and is compared, and the stack is deployed where the data is
 * (docs/decisions/0097-move.md).
 */
import { externalServers } from "../../stack/external.ts";
import {
  forgetProgress,
  isReached,
  readProgress,
  writeProgress,
  type Access,
  type MoveProgress,
} from "../../stack/move-progress.ts";
import { connectEngine, findPlace, type Place } from "../../stack/place.ts";
import { openStackAlone } from "../../stack/session.ts";
import { signals } from "../../stack/this-process.ts";
import { exit, InterruptedError, OpsError } from "../../terminal/errors.ts";
import { npmRun } from "../../terminal/npm-run.ts";
import { note } from "../../terminal/output.ts";
import { confirm, requireTerminal } from "../../terminal/prompt.ts";
import { runHostSteps } from "../host.ts";
import { copyAhead } from "./copy-ahead.ts";
import { finishMove, goBack } from "./ends.ts";
import { goOn, switchOver } from "./switch-over.ts";
import { openOld, serveMeanwhile } from "./taking-up.ts";
import { accessTo, checkAddresses, placeAt } from "./target.ts";
import { endOf, loginKey, withTargetFile, type MoveOptions, type Work } from "./work.ts";

export async function move(host: string | undefined, options: MoveOptions): Promise<void> {
  const place = findPlace(options);
  const { stack, backend } = place;
  refuseKinds(place);
  const found = readProgress(backend, stack);
  if (options.back) return goBack(options, place, found);
  if (options.finish) return finishMove(options, place, found);
  if (host === undefined)
    throw new OpsError("No machine is named.", "Write it as USER@HOST or ssh://USER@HOST:PORT.", exit.usage);
  const known = found?.step === "preparing" ? undefined : found;
  const prepares = place.settings.config.hostPrepare === true;
  const access = known?.access ?? accessTo(host, options.hostKey, prepares);
  if (known !== undefined)
    refuseAnother(stack, accessTo(host, options.hostKey ?? textOf(access["hostKey"]), prepares), known);
  if (known !== undefined && isReached(known, "fenced")) return goOn(options, place, known);
  if (!options.yes && known === undefined) requireTerminal();
  const { file, ...from } = await openOld(options, place, found);
  from.audit?.note({ to: host });
  const before = known && (await serveMeanwhile(options, from, known));
  const there = placeAt(from, access);
  checkAddresses(there);
  if (before === undefined && !options.yes) {
    signals.begin({ title: "asking" });
    if (!(await confirm(`Move stack ${stack} to ${host}?`)))
      throw new InterruptedError(`Stack ${stack} was not moved.`, "Nothing was changed.");
  }
  const given = { host, options, access, file, from };
  if (prepares) await prepareMachine(given, before);
  const engine = await connectEngine(there, loginKey(options));
  const { config } = from.settings;
  const ends = { old: endOf(from, config), fresh: endOf(engine, config) };
  const work = { ...given, engine, there, ...ends };
  await switchOver(work, await copyAhead(work, before && { ...before, file }));
}

/** Runs the host's steps there. They run on the machine that the stack's file names. */
async function prepareMachine(
  work: Pick<Work, "host" | "options" | "access" | "file" | "from">,
  before: MoveProgress | undefined,
): Promise<void> {
  const { host, options, access, file, from } = work;
  const { backend, stack } = from;
  // A kill meanwhile leaves the file as it is for the new machine: the next run gives it back.
  if (before === undefined) writeProgress(backend, stack, { step: "preparing", host, access, file, ran: [] });
  await withTargetFile(work, async () => runHostSteps(await openStackAlone(options, { create: false })));
  if (before === undefined) forgetProgress(backend, stack);
}

const textOf = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);

/** What this command does not do. @throws OpsError */
function refuseKinds({ stack, settings }: Place): void {
  const { config } = settings;
  const external = externalServers(config).map(({ title }) => title);
  const why =
    config.platform === "swarm"
      ? "it is on a swarm, where npm run node takes machines in and out"
      : external.length > 0
        ? `others run its ${external.join(" and ")}`
        : undefined;
  if (why === undefined) return;
  throw new OpsError(
    `Stack ${stack} cannot be moved by this command: ${why}.`,
    'Where others keep the data, docs/environments.md, "Another engine", says what to do.',
    exit.usage,
  );
}

/** @throws OpsError where a move to another machine is under way, or this one is over */
function refuseAnother(stack: string, access: Access, before: MoveProgress): void {
  if (before.step === "moved")
    throw new OpsError(
      `Stack ${stack} has been moved to ${before.host}; what is left of it on the machine before is kept until you say so.`,
      `Remove that first: ${npmRun("move", stack, "--finish")}`,
      exit.usage,
    );
  if (before.access["dockerHost"] === access["dockerHost"]) {
    note(`A move of stack ${stack} to ${before.host} was broken off; it goes on.`);
    return;
  }
  throw new OpsError(
    `A move of stack ${stack} to ${before.host} was broken off.`,
    `Go on with it: ${npmRun("move", stack, before.host)}\n  Or give it up: ${npmRun("move", stack, "--back")}`,
    exit.usage,
  );
}
