/**
 * `npm run maintenance -- on|off`: the edge answers for the API with 503 and a message. A file in the edge's volume says
 * so: it takes effect with the next request, and stays through restarts and deploys until it is taken away.
 */
import type Docker from "dockerode";
import { MAINTENANCE_FILE } from "../../infra/components/edge/maintenance.ts";
import { Audit } from "../stack/audit.ts";
import { listContainers } from "../engine/containers.ts";
import { OpsError } from "../terminal/errors.ts";
import { execIn } from "../engine/exec.ts";
import { ago, print } from "../terminal/output.ts";
import { auditing, findPlace, signals, openEngine, type CommonOptions } from "../stack/session.ts";

export interface MaintenanceOptions extends CommonOptions {
  readonly message?: string;
}

/** What the edge answers meanwhile (RFC 9457), and since when. */
export interface Maintenance {
  readonly detail: string;
  readonly since: string;
}

const DEFAULT_MESSAGE = "The service is under maintenance and will be back soon.";

/** Pure: the answer of the edge. Everybody can read it, so it has no names. */
export const maintenanceProblem = (message: string, since: Date): Maintenance & Record<string, unknown> => ({
  type: "urn:omniai:problem:maintenance",
  title: "Service Unavailable",
  status: 503,
  detail: message,
  since: since.toISOString(),
});

async function edgeOf(docker: Docker, stack: string): Promise<string | undefined> {
  const views = await listContainers(docker, stack);
  return views.find(({ workload, state }) => workload === "edge" && state === "running")?.id;
}

/** Whether it is on; undefined when not, or when there is no edge to ask. */
export async function readMaintenance(docker: Docker, stack: string): Promise<Maintenance | undefined> {
  const edge = await edgeOf(docker, stack);
  if (edge === undefined) return undefined;
  const { code, output } = await execIn(docker, edge, ["cat", MAINTENANCE_FILE]);
  if (code !== 0) return undefined;
  try {
    return JSON.parse(output) as Maintenance;
  } catch {
    return { detail: output.trim(), since: "" };
  }
}

/** One line for `up` and `status`. */
export const describeMaintenance = ({ detail, since }: Maintenance, stack: string): string =>
  `Maintenance is on${since === "" ? "" : ` since ${ago(new Date(since))}`}: the API answers 503 ("${detail}"). ` +
  `To end it: npm run maintenance -- off${stack === "dev" ? "" : ` --stack ${stack}`}`;

/** Written aside and renamed: no request meets half of it. */
const ON = 'umask 022 && printf %s "$PROBLEM" > "$FILE.next" && mv "$FILE.next" "$FILE"';
const OFF = 'rm -f "$FILE"';

/** Needs no lock: it must be possible while a deploy runs. */
export async function maintenance(state: string, options: MaintenanceOptions): Promise<void> {
  const place = findPlace(options);
  const { stack } = place;
  const { docker } = await openEngine(place);
  signals.begin({ title: `switching maintenance of stack ${stack} ${state}` });
  const edge = await edgeOf(docker, stack);
  if (edge === undefined) {
    throw new OpsError(
      `The edge of stack ${stack} does not run, so nobody can be told anything.`,
      "Deploy the stack first: npm run up",
    );
  }
  const before = await readMaintenance(docker, stack);
  const audit = auditing(new Audit(place.backend.stateDir, stack, "maintenance"));
  audit.note({ from: before === undefined ? "off" : "on", to: state });
  const problem = JSON.stringify(maintenanceProblem(options.message ?? DEFAULT_MESSAGE, new Date()));
  const { code, output } = await execIn(docker, edge, ["sh", "-c", state === "on" ? ON : OFF], {
    FILE: MAINTENANCE_FILE,
    PROBLEM: problem,
  });
  if (code !== 0) {
    throw new OpsError(
      `The edge of stack ${stack} could not be switched: ${output.trim()}`,
      "Is its volume writable and not full? `npm run logs -- edge` may say more.",
    );
  }
  const now = await readMaintenance(docker, stack);
  if (now !== undefined) print(describeMaintenance(now, stack));
  else
    print(
      `Maintenance of stack ${stack} is off${before === undefined ? ", as it was" : ""}: the API answers again.`,
    );
}
