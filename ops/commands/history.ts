/** `npm run history`: who changed what on this stack, the newest last. It asks the engine, and not Pulumi. */
import { closeKilled, readChanges, type Change } from "../stack/audit.ts";
import { stackChanges } from "../stack/changes.ts";
import { findPlace, type CommonOptions, type Place } from "../stack/place.ts";
import { openEngine } from "../stack/look.ts";
import { say } from "../stack/this-process.ts";
import { explain } from "../terminal/errors.ts";
import { paint, print, printJson, table } from "../terminal/output.ts";

export interface HistoryOptions extends CommonOptions {
  readonly limit: number;
}

export async function history(options: HistoryOptions): Promise<void> {
  const place = findPlace(options);
  const { backend, stack } = place;
  closeKilled(backend.stateDir, stack);
  const changes = (await allChanges(place, options)).slice(-options.limit);
  if (options.json) return printJson(changes);
  for (const line of table(changes.map(row))) print(line);
  if (changes.length === 0) print(`No change of stack ${stack} is known.`);
}

/** Those that the engine keeps, with those of this machine; the latter alone when the engine cannot be asked. */
async function allChanges(place: Place, options: CommonOptions): Promise<Change[]> {
  try {
    return await stackChanges((await openEngine(place, options)).docker, place);
  } catch (error) {
    say(`Only the changes that were made from here: ${explain(error).what}`);
    return readChanges(place.backend.stateDir, place.stack);
  }
}

const row = ({ time, who, action, from, to, result, seconds, reason }: Change): string[] => [
  time.slice(0, 19).replace("T", " "),
  who,
  action,
  from === to ? (to ?? "") : `${from ?? "nothing"} → ${to ?? "nothing"}`,
  paint(result === "succeeded" ? "green" : "red", result),
  `${seconds} s`,
  reason ?? "",
];
