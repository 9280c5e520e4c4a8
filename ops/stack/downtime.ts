/** What a run takes away for a moment: the workloads that cannot stand beside their successor. */
import type { Change } from "./run.ts";
import { nameOf, TYPES } from "./state.ts";

const REPLACES = new Set(["replace", "create-replacement", "delete-replaced"]);

/** By workload, what everybody notices. Replicas are not here: theirs are healthy before the old ones go. */
const NOTICED: Readonly<Record<string, string>> = {
  edge: "nginx itself is replaced: nobody is answered for about a second, then streams resume by themselves",
  postgres: "PostgreSQL is replaced: until it is back, what needs it is refused with 503; streams go on",
  redis: "Redis is replaced: until it is back, events and logins are refused with 503; streams stay open",
};

/** Pure: a line for each interruption among these changes of a stack. */
export function describeDowntime(changes: readonly Change[], stack: string): string[] {
  const replaced = new Set(
    changes
      .filter(({ op, type }) => REPLACES.has(op) && type === TYPES.container)
      .map(({ urn }) => nameOf(urn)),
  );
  return Object.entries(NOTICED)
    .filter(([workload]) => replaced.has(`omniai-${stack}-${workload}`))
    .map(([, line]) => `${line}.`);
}
