/** `npm run history`: who changed what on this stack, the newest last. It asks neither the engine nor Pulumi. */
import { closeKilled, readChanges, type Change } from "../stack/audit.ts";
import { findPlace, type CommonOptions } from "../stack/place.ts";
import { paint, print, printJson, table } from "../terminal/output.ts";

export interface HistoryOptions extends CommonOptions {
  readonly limit: number;
}

export function history(options: HistoryOptions): void {
  const { backend, stack } = findPlace(options);
  closeKilled(backend.stateDir, stack);
  const changes = readChanges(backend.stateDir, stack).slice(-options.limit);
  if (options.json) return printJson(changes);
  for (const line of table(changes.map(row))) print(line);
  if (changes.length === 0) print(`No change of stack ${stack} was made from here.`);
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
