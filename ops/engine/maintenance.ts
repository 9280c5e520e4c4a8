/**
 * Maintenance, as the edge of one engine has it: a file in its volume makes it answer the API with 503 and a message. That takes
 * effect with the next request, needs no Pulumi, and stays through restarts and deploys until the file is removed. On a swarm the
 * file comes and goes by a service (swarm-maintenance.ts).
 */
import type Docker from "dockerode";
import { MAINTENANCE_FILE, MAINTENANCE_TYPE } from "../../infra/components/edge/maintenance.ts";
import { OpsError } from "../terminal/errors.ts";
import { ago } from "../terminal/output.ts";
import { listContainers, type ContainerView } from "./containers.ts";
import { execIn } from "./exec.ts";

/** What the edge answers meanwhile (RFC 9457), and since when. */
export interface Maintenance {
  readonly detail: string;
  readonly since: string;
  /** Of a swarm: where the edge runs and does not answer with it, and why. */
  readonly missing?: readonly string[];
}

/** Pure: the answer of the edge. Everybody can read it, so it names no person. */
export const maintenanceProblem = (message: string, since: Date): Maintenance & Record<string, unknown> => ({
  type: MAINTENANCE_TYPE,
  title: "Service Unavailable",
  status: 503,
  detail: message,
  since: since.toISOString(),
});

const edgeIn = (views: readonly ContainerView[]): string | undefined =>
  views.find(({ workload, state }) => workload === "edge" && state === "running")?.id;

/**
 * What the edge answers; undefined when maintenance is off, or when there is no edge to ask.
 * @param views the stack's containers.
 */
export async function readMaintenance(
  docker: Docker,
  views: readonly ContainerView[],
): Promise<Maintenance | undefined> {
  const edge = edgeIn(views);
  return edge === undefined ? undefined : readFrom(docker, edge);
}

async function readFrom(docker: Docker, edge: string): Promise<Maintenance | undefined> {
  const { exitCode, output } = await execIn(docker, edge, ["cat", MAINTENANCE_FILE]);
  if (exitCode !== 0) return undefined;
  return parseMaintenance(output);
}

/** Pure: what the edge answers, out of its file. Somebody may have written another one by hand. */
export function parseMaintenance(text: string): Maintenance {
  try {
    return JSON.parse(text) as Maintenance;
  } catch {
    return { detail: text.trim(), since: "" };
  }
}

/** One line for `up` and `status`. */
export const describeMaintenance = ({ detail, since, missing = [] }: Maintenance, stack: string): string =>
  `Maintenance is on${since === "" ? "" : `, begun ${ago(new Date(since))}`}: the API answers 503 ("${detail}")` +
  `${missing.length === 0 ? "" : `, but not yet by ${missing.join(", ")}`}. ` +
  `To end it: npm run maintenance -- off${stack === "dev" ? "" : ` --stack ${stack}`}`;

/** Written aside and renamed: no request meets half of the file. */
const ON = 'umask 022 && printf %s "$PROBLEM" > "$FILE.next" && mv "$FILE.next" "$FILE"';
const OFF = 'rm -f "$FILE"';

export interface Switch {
  /** @throws OpsError when the edge refuses */
  readonly set: (message: string | undefined) => Promise<Maintenance | undefined>;
  readonly before: Maintenance | undefined;
}

/** The switch of a running edge; undefined when no edge runs. */
export async function maintenanceSwitch(docker: Docker, stack: string): Promise<Switch | undefined> {
  const edge = edgeIn(await listContainers(docker, stack));
  if (edge === undefined) return undefined;
  return {
    before: await readFrom(docker, edge),
    set: async (message) => {
      const problem = message === undefined ? {} : maintenanceProblem(message, new Date());
      const { exitCode, output } = await execIn(
        docker,
        edge,
        ["sh", "-c", message === undefined ? OFF : ON],
        { env: { FILE: MAINTENANCE_FILE, PROBLEM: JSON.stringify(problem) } },
      );
      if (exitCode === 0) return readFrom(docker, edge);
      throw new OpsError(
        `The edge of stack ${stack} could not be switched: ${output.trim()}`,
        "Look whether its volume is writable and has space; `npm run logs -- edge` may say more.",
      );
    },
  };
}
