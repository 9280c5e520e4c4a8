/** `npm run node -- add|drain|remove`: which machines a swarm has. */
import { parseSshAddress, type SshAddress } from "../../../tools/host/ssh-address.ts";
import { handleOf, listNodes, nameOfNode } from "../../engine/nodes.ts";
import { Audit } from "../../stack/audit.ts";
import { publishChanges } from "../../stack/changes.ts";
import { openEngine } from "../../stack/look.ts";
import { findPlace, type CommonOptions } from "../../stack/place.ts";
import { publishAuditWith, recordAudit, say, signals } from "../../stack/this-process.ts";
import { exit, OpsError } from "../../terminal/errors.ts";
import { print } from "../../terminal/output.ts";
import { undivided } from "../../terminal/signals.ts";
import { addNode } from "./add.ts";
import { drainNode, requireNode } from "./drain.ts";
import { removeNode } from "./remove.ts";

export interface NodeOptions extends CommonOptions {
  readonly hostKey?: string;
  readonly advertise?: string;
  /** False with --no-edge. */
  readonly edge: boolean;
  readonly lost?: boolean;
}

/**
 * Pure: the machine that the operator names. What is typed is noted for everybody who may see the audit log, so a password in it is
 * refused before it is noted. @throws OpsError
 */
export function addressOf(named: string): SshAddress {
  const url = named.includes("://") ? named : `ssh://${named}`;
  const address = parseSshAddress(url);
  if (address === undefined)
    throw new OpsError(
      `"${named}" is no machine.`,
      "Write it as USER@HOST or ssh://USER@HOST:PORT.",
      exit.usage,
    );
  if (new URL(url).password !== "")
    throw new OpsError(
      `The address of ${address.host} has a password in it, which SSH takes from no address.`,
      "Write it as USER@HOST, with a key in your agent or in ~/.ssh. The password is in your shell's history now: change it.",
      exit.usage,
    );
  return address;
}

/** Takes no lock: a node may have to go while a deploy waits for it. */
export async function node(action: string, named: string, options: NodeOptions): Promise<void> {
  const place = findPlace(options);
  const { stack, settings } = place;
  if (settings.config.platform !== "swarm") {
    throw new OpsError(
      `Stack ${stack} runs on one machine (omniai:platform is docker), which has no nodes.`,
      "docs/swarm.md says how a stack goes to several.",
      exit.usage,
    );
  }
  const address = action === "add" ? addressOf(named) : undefined;
  const what = `${action} ${address?.host ?? named}`;
  const { docker } = await openEngine(place, options);
  const title = `node ${what}`;
  // What is begun on a machine that is added goes on the next time; a node that is left half-drained takes no tasks.
  signals.begin(action === "add" ? { title } : undivided(title));
  const audit = recordAudit(new Audit(place.backend.stateDir, stack, "node"));
  publishAuditWith(() => publishChanges(docker, place));
  audit.note({ to: what });
  if (address !== undefined) {
    const { hostKey, advertise, edge } = options;
    const added = await addNode(
      docker,
      {
        address,
        edge,
        openPorts: settings.config.hostOpenPorts ?? [],
        ...(hostKey !== undefined && { hostKey }),
        ...(advertise !== undefined && { advertise }),
      },
      place.context.env,
      say,
    );
    print(
      `${nameOfNode(added)} is a node of the swarm, ${edge ? "and takes requests from outside" : "without an edge"}.`,
    );
    print(
      "Where the nodes have the stack's firewall, run the same for each of them: it lets in the nodes that are there then.",
    );
    return;
  }
  const found = await requireNode(docker, named);
  const name = handleOf(found, await listNodes(docker));
  if (action === "drain") {
    await drainNode(docker, found, say);
    print(`${name} has no task any more, and gets none until it is told so:`);
    print(`  docker node update --availability active ${name}`);
    return;
  }
  await removeNode(docker, found, options.lost === true, say);
  print(
    `${name} is no node of the swarm any more. Its engine says so on the machine: docker swarm leave --force`,
  );
}
