/** `npm run node -- add HOST`: a machine is prepared over SSH and becomes a node of the swarm; on one that is, the same again. */
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type Docker from "dockerode";
import { renderStep, runAs, STEPS } from "../../../infra/components/host/plan.ts";
import { EDGE_NODE_LABEL } from "../../../infra/resources/labels.ts";
import { findProgram } from "../../../tools/host/path.mjs";
import type { SshAddress } from "../../../tools/host/ssh-address.ts";
import { connect } from "../../engine/connection.ts";
import {
  addressOfNode,
  changeNode,
  listNodes,
  nameOfNode,
  requireManager,
  takesTasks,
  type SwarmNode,
} from "../../engine/nodes.ts";
import { Master, SshRefused, type Login } from "../../engine/ssh/master.ts";
import { openTunnel, refusal, tempFolder } from "../../engine/ssh/tunnel.ts";
import { OpsError } from "../../terminal/errors.ts";

export interface NewNode {
  readonly address: SshAddress;
  /** The machine's public key, as /etc/ssh/ssh_host_*_key.pub has it; undefined: known_hosts decide. */
  readonly hostKey?: string;
  /** Where other nodes reach it; default: the machine's own choice, which has to be told where it has several addresses. */
  readonly advertise?: string;
  /** Whether it takes requests from outside. */
  readonly edge: boolean;
  /** TCP ports that stay open beside SSH. */
  readonly openPorts: readonly number[];
}

/** The port on which managers are joined. */
const MANAGER_PORT = 2377;
const READY_SECONDS = 60;
const SSH_PORT = 22;
/** An engine on which the swarm finds no IPVS cannot be told apart from one that does: nothing here needs it. */
const LISTEN = `0.0.0.0:${MANAGER_PORT}`;

/** Says which swarm a machine is in, where it has an engine that runs. */
const SWARM_SCRIPT = `command -v docker >/dev/null || exit 0
docker info --format '{{.Swarm.LocalNodeState}} {{.Swarm.NodeID}}' 2>/dev/null || true
`;

interface SwarmOfEngine {
  readonly NodeID: string;
  readonly LocalNodeState: string;
}

/** @returns the node. @throws OpsError */
export async function addNode(
  docker: Docker,
  wanted: NewNode,
  env: NodeJS.ProcessEnv,
  say: (line: string) => void,
): Promise<SwarmNode> {
  await requireManager(docker);
  const nodes = await listNodes(docker);
  await prepareMachine(wanted, nodes, env, say);
  const tunnel = await openTunnel(loginOf(wanted), env);
  try {
    const there = connect(tunnel.address, env);
    const swarm = await swarmOf(there);
    // Once more: it may have had no engine that could be asked.
    refuseForeign(swarm, nodes, wanted.address.host);
    if (swarm.LocalNodeState === "inactive") {
      say("joining the swarm");
      await joinSwarm(docker, there, wanted, nodes).catch((error: Error) => {
        throw notJoined(wanted.address.host, error);
      });
    }
    const { NodeID: id } = await swarmOf(there);
    // Also where it had an edge before, and is to have none.
    await changeNode(docker, id, { labels: { [EDGE_NODE_LABEL]: wanted.edge ? "true" : null } });
    return await awaitReady(docker, id, wanted.address.host);
  } finally {
    tunnel.close();
  }
}

const loginOf = ({ address, hostKey }: NewNode): Login => ({
  address,
  ...(hostKey !== undefined && { hostKey }),
  named: { address: "what you typed", hostKey: "--host-key" },
});

/** @throws OpsError where it is in a swarm that is not this one */
function refuseForeign(
  { LocalNodeState, NodeID }: SwarmOfEngine,
  nodes: readonly SwarmNode[],
  host: string,
): void {
  if (LocalNodeState === "inactive" || nodes.some(({ ID }) => ID === NodeID)) return;
  throw new OpsError(
    `The engine of ${host} is in another swarm, or was removed from this one (${LocalNodeState}).`,
    "Take it out of that one first, on the machine: docker swarm leave. A manager, or a node that was removed, needs --force.",
  );
}

const swarmOf = async (docker: Docker): Promise<SwarmOfEngine> =>
  ((await docker.info()) as { Swarm: SwarmOfEngine }).Swarm;

/** By the engine's API, because the token would stand in the arguments of a command. */
async function joinSwarm(
  docker: Docker,
  there: Docker,
  { advertise }: NewNode,
  nodes: readonly SwarmNode[],
): Promise<void> {
  const { JoinTokens } = (await docker.swarmInspect()) as { JoinTokens: { Worker: string } };
  const managers = nodes.filter(({ Spec }) => Spec.Role === "manager").map(addressOfNode);
  await there.swarmJoin({
    ListenAddr: LISTEN,
    ...(advertise !== undefined && { AdvertiseAddr: advertise }),
    RemoteAddrs: managers.map((address) => `${address}:${MANAGER_PORT}`),
    JoinToken: JoinTokens.Worker,
  });
}

/** An engine that reaches no manager goes on trying, and can be told nothing else until it has left. */
const notJoined = (host: string, { message }: Error): OpsError =>
  new OpsError(
    `${host} could not join the swarm: ${message.trim()}`,
    `Look whether it reaches the managers on port ${MANAGER_PORT} (TCP), and whether the clocks of both are right. ` +
      "Where it goes on trying, take it back on the machine (docker swarm leave --force); then run this again.",
  );

async function awaitReady(docker: Docker, id: string, host: string): Promise<SwarmNode> {
  const end = performance.now() + READY_SECONDS * 1000;
  for (;;) {
    const node = (await listNodes(docker)).find(({ ID }) => ID === id);
    if (node !== undefined && (takesTasks(node) || node.Spec.Availability !== "active")) return node;
    if (performance.now() > end) {
      throw new OpsError(
        `${host} is in the swarm, and the manager has not heard of it for ${READY_SECONDS} s.`,
        "Look whether the managers and the machine reach one another: 2377 and 7946 by TCP, 7946 and 4789 by UDP.",
      );
    }
    await sleep(500);
  }
}

/** The steps of `npm run host` on this machine, with what a node needs. @throws OpsError */
async function prepareMachine(
  wanted: NewNode,
  nodes: readonly SwarmNode[],
  env: NodeJS.ProcessEnv,
  say: (line: string) => void,
): Promise<void> {
  const { address, openPorts } = wanted;
  const ssh = findProgram("ssh", env);
  if (ssh === undefined)
    throw new OpsError("The program ssh is not on PATH.", "Install it (openssh-client) and run this again.");
  const user = address.user ?? "root";
  const others = nodes.filter((node) => ![nameOfNode(node), addressOfNode(node)].includes(address.host));
  const settings = {
    user,
    sshPort: Number(address.port ?? SSH_PORT),
    openPorts,
    // One that is just joining has none yet.
    swarm: { nodes: others.map(addressOfNode).filter((one) => one !== "") },
  };
  const folder = mkdtempSync(join(tempFolder(tmpdir(), process.platform), "omniai-node-"));
  let master: Master | undefined;
  try {
    master = await Master.open({ ssh, folder, env }, loginOf(wanted), "c1");
    // Before anything is changed: the firewall of a node here would cut it off from the other nodes of its own swarm.
    const { said } = await runScript(master, runAs(user), SWARM_SCRIPT);
    const [, state, id = ""] = /^(active|pending|locked|error)(?: (\w*))?$/m.exec(said) ?? [];
    if (state !== undefined) refuseForeign({ LocalNodeState: state, NodeID: id }, nodes, address.host);
    for (const step of STEPS) {
      say(`preparing ${address.host}: ${step}`);
      await runStep(master, step, renderStep(step, settings), runAs(user), address.host);
    }
  } catch (error) {
    throw error instanceof SshRefused ? refusal(loginOf(wanted), error.message) : error;
  } finally {
    master?.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @returns its code, undefined where a signal ended it, and all that it said */
async function runScript(
  master: Master,
  command: string,
  script: string,
): Promise<{ code: number | undefined; said: string }> {
  const child = master.session(command);
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding("utf8").on("data", (text: string) => (said += text));
  child.stdin?.on("error", () => undefined).end(script);
  const [code] = (await once(child, "close")) as [number | null];
  return { code: code ?? undefined, said: said.trim() };
}

async function runStep(
  master: Master,
  step: string,
  script: string,
  command: string,
  host: string,
): Promise<void> {
  const { code, said } = await runScript(master, command, script);
  if (code === 0) return;
  throw new OpsError(
    `The step ${step} failed on ${host} (${code ?? "by a signal"}):\n${said}`,
    "Mend what it names, and run this again: a step that was done is not done twice.",
  );
}
