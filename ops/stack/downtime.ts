/** What people will notice of a run: the workloads that are gone for a moment because they cannot run beside their successor. */
import type { Change } from "./run.ts";
import { nameOf, types } from "./state.ts";

const replaces = new Set(["replace", "create-replacement", "delete-replaced"]);

/** What people notice, by workload. Replicas of the service are not here: new ones are healthy before old ones leave. */
const noticed: Readonly<Record<string, string>> = {
  edge: "nginx itself is replaced: nobody is answered for about a second, then streams resume by themselves",
  postgres: "PostgreSQL is replaced: until it is back, what needs it is refused with 503; streams go on",
  redis: "Redis is replaced: until it is back, events and logins are refused with 503; streams stay open",
};

/** Pure: a line for each workload that these changes interrupt. */
export function describeDowntime(changes: readonly Change[], stack: string): string[] {
  const replaced = new Set(
    changes
      .filter(({ op, type }) => replaces.has(op) && type === types.container)
      .map(({ urn }) => nameOf(urn)),
  );
  return Object.entries(noticed)
    .filter(([workload]) => replaced.has(`omniai-${stack}-${workload}`))
    .map(([, line]) => `${line}.`);
}
