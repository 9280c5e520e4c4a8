/** `npm run maintenance -- on|off`: the edge answers the API with 503 and a message, until it is off again. */
import { MAINTENANCE } from "../../infra/components/monitoring/dashboards.ts";
import { maintenanceSwitch, describeMaintenance } from "../engine/maintenance.ts";
import { swarmSwitch } from "../engine/swarm-maintenance.ts";
import { Audit } from "../stack/audit.ts";
import { publishChanges } from "../stack/changes.ts";
import { findPlace, type CommonOptions } from "../stack/place.ts";
import { openEngine } from "../stack/look.ts";
import { markOperation } from "../stack/quiet.ts";
import { publishAuditWith, recordAudit, say, signals } from "../stack/this-process.ts";
import { OpsError } from "../terminal/errors.ts";
import { print } from "../terminal/output.ts";
import { undivided } from "../terminal/signals.ts";

export interface MaintenanceOptions extends CommonOptions {
  readonly message?: string;
}

const DEFAULT_MESSAGE = "The service is under maintenance and will be back soon.";

/** Takes no lock: it must be possible while a deploy runs. */
export async function maintenance(state: string, options: MaintenanceOptions): Promise<void> {
  const place = findPlace(options);
  const { stack } = place;
  const { docker } = await openEngine(place, options);
  const title = `switching maintenance of stack ${stack} ${state}`;
  const isSwarm = place.settings.config.platform === "swarm";
  // On a swarm that takes some seconds, and what ends it has to be cleared away.
  signals.begin(isSwarm ? undivided(title) : { title });
  const edge = isSwarm ? await swarmSwitch(docker, stack, say) : await maintenanceSwitch(docker, stack);
  if (edge === undefined) {
    throw new OpsError(
      `The edge of stack ${stack} does not run, so it cannot tell anybody anything.`,
      `Deploy the stack first: npm run up${stack === "dev" ? "" : ` -- --stack ${stack}`}`,
    );
  }
  const audit = recordAudit(new Audit(place.backend.stateDir, stack, MAINTENANCE));
  publishAuditWith(() => publishChanges(docker, place));
  audit.note({ from: edge.before === undefined ? "off" : "on", to: state });
  const now = await edge.set(state === "on" ? (options.message ?? DEFAULT_MESSAGE) : undefined);
  await markOperation({ docker, stack }, MAINTENANCE, now !== undefined);
  if (now !== undefined) return print(describeMaintenance(now, stack));
  const unchanged = edge.before === undefined ? ", as it was before" : "";
  print(`Maintenance of stack ${stack} is off${unchanged}: the API answers.`);
}
