/** What a stack leaves behind that goes over to servers of others (external.ts). */
import { claimName, DATA_WORKLOADS, dataVolumeName, identityName } from "../../infra/resources/volume.ts";
import { OpsError } from "../terminal/errors.ts";
import { npmRun } from "../terminal/npm-run.ts";
import type { DataWorkload } from "./external.ts";
import type { Looked } from "./looked.ts";
import { nameOf, resourcesOf, type State } from "./state.ts";

/** What the state has of a workload's data. A protected resource cannot be deleted by an update, only forgotten. */
const namesOf = (stack: string, workload: DataWorkload): string[] => [
  ...[dataVolumeName, identityName, claimName].map((name) => name(stack, workload)),
  ...(workload === "postgres" ? [`omniai-${stack}-postgres-superuser`] : []),
];

/**
 * What a stack leaves behind that goes over to servers of others: its state forgets the data, and the volumes stay on the
 * engine. What is in them is not in the new servers, so somebody has to have said so.
 * @param accepted workloads that may begin anew (--accept-empty). @returns the URNs to forget. @throws OpsError
 */
export function leftBehind(
  { stack, state, external = [] }: Pick<Looked, "stack" | "state" | "external">,
  accepted: readonly string[],
): string[] {
  const urnsOf = (workload: DataWorkload): string[] => {
    const names = namesOf(stack, workload);
    return resourcesOf(state)
      .map(({ urn }) => urn)
      .filter((urn) => names.includes(nameOf(urn)));
  };
  const left = DATA_WORKLOADS.filter((one) => external.includes(one) && urnsOf(one).length > 0);
  // The backups go with the data that they are of.
  const asked = left.filter((one) => one !== "backup" && !accepted.includes(one));
  if (asked.length > 0)
    throw new OpsError(
      `Stack ${stack} has data of its own for ${asked.join(" and ")}, and its config says now that others run that. ` +
        "What is in the stack's volumes is not brought along. Nothing was changed.",
      `Bring it over first (docs/external-databases.md, "Going over"), and then run: ${npmRun("up", stack, `--accept-empty ${asked.join(",")}`)}\n` +
        `  The volumes stay on the engine: ${left.map((one) => dataVolumeName(stack, one)).join(", ")}`,
    );
  return left.flatMap(urnsOf);
}

/**
 * Pure: what to say where the volume of the backups is among what is left. Nobody is asked for that: there is nothing to bring over, and
 * nothing is deleted.
 * @param urns that the state is about to forget. @returns undefined where it is not among them
 */
export function describeLeftBackups(stack: string, urns: readonly string[]): string | undefined {
  const volume = dataVolumeName(stack, "backup");
  if (!urns.some((urn) => nameOf(urn) === volume)) return undefined;
  return (
    `No dumps of PostgreSQL are taken any longer, because no omniai:offsiteBucket is named: its backups are its provider's alone. ` +
    `Volume ${volume} stays on the engine with all backups in it, and nothing reads it any more ` +
    '(docs/external-databases.md, "Dumps that go off-site").'
  );
}

/** Pure: the workloads that `leftBehind` has accepted, so that nobody looks for lost data there. */
export const isLeft = (state: State, stack: string, urns: readonly string[], workload: string): boolean =>
  DATA_WORKLOADS.some((one) => one === workload) &&
  resourcesOf(state).some(
    ({ urn }) => urns.includes(urn) && namesOf(stack, workload as DataWorkload).includes(nameOf(urn)),
  );
