/**
 * Compares every container and network of a stack on the engine with what the stack's state says was declared; of a swarm which
 * services there are, and whether their tasks run. What a service is made of, its provider reads back itself.
 */
import type Docker from "dockerode";
import { unlessGone } from "../../engine/connection.ts";
import { isGood, TASK_LABEL, viewContainer } from "../../engine/containers.ts";
import { condition } from "../../engine/health-report.ts";
import { byStack } from "../../engine/stack-filter.ts";
import { isGoodService, readSwarm } from "../../engine/swarm-view.ts";
import {
  engineNameOf,
  labelsOf,
  nameOf,
  resourcesOf,
  types,
  type State,
  type StateResource,
} from "../../stack/state.ts";
import { declaredFacts, differences, liveFacts, type Difference, type ImageDefaults } from "./facts.ts";

/** Pure: the pids limit that the command beside a container sets, by the container's logical name. */
export function pidsLimits(state: State): Map<string, number> {
  return new Map(
    resourcesOf(state, types.command).flatMap((resource) => {
      const pids = (resource.inputs?.["environment"] as Record<string, unknown> | undefined)?.["PIDS"];
      return pids === undefined ? [] : [[nameOf(resource.urn), Number(pids)] as const];
    }),
  );
}

const present = (state: State, type: string): StateResource[] =>
  resourcesOf(state, type).filter((resource) => resource.delete !== true);

export async function compareWithEngine(docker: Docker, stack: string, state: State): Promise<Difference[]> {
  const limits = pidsLimits(state);
  const declared = present(state, types.container);
  const found = await Promise.all(
    declared.map((resource) => compareContainer(docker, resource, limits.get(nameOf(resource.urn)))),
  );
  return [
    ...found.flat(),
    ...(await undeclaredContainers(docker, stack, declared)),
    ...(await compareServices(docker, stack, present(state, types.service))),
    ...(await compareNetworks(docker, state, declared)),
  ];
}

async function compareContainer(
  docker: Docker,
  resource: StateResource,
  pidsLimit: number | undefined,
): Promise<Difference[]> {
  const name = engineNameOf(resource) ?? nameOf(resource.urn);
  const info = await unlessGone(docker.getContainer(resource.id ?? name).inspect());
  if (info === undefined) {
    return [{ of: name, fact: "container", declared: "running", live: "(not there)" }];
  }
  const image = await unlessGone(docker.getImage(info.Image).inspect());
  const view = viewContainer(info);
  const wrongState = isGood(view)
    ? []
    : [{ of: name, fact: "state", declared: "running and healthy", live: condition(view) }];
  const defaults = (image?.Config ?? {}) as ImageDefaults;
  const facts = declaredFacts(resource.inputs ?? {}, pidsLimit, defaults);
  return [...wrongState, ...differences(name, facts, liveFacts(info))];
}

/** Containers that have the stack's label and are not in its state. */
async function undeclaredContainers(
  docker: Docker,
  stack: string,
  declared: readonly StateResource[],
): Promise<Difference[]> {
  const known = new Set(declared.map(({ id }) => id));
  const all = await docker.listContainers({ all: true, ...byStack(stack) });
  return all
    .filter(({ Id, Labels }) => !known.has(Id) && !(TASK_LABEL in Labels))
    .map(({ Names, Status }) => ({
      of: (Names[0] ?? "").replace(/^\//, ""),
      fact: "container",
      declared: "(not there)",
      live: Status,
    }));
}

/** Whether each service has its tasks, on all nodes, and which services of the stack nobody has declared. */
async function compareServices(
  docker: Docker,
  stack: string,
  declared: readonly StateResource[],
): Promise<Difference[]> {
  // A stack of one engine, which need not be in a swarm.
  if (declared.length === 0) return [];
  const known = new Set(declared.map(({ id }) => id));
  const { services } = await readSwarm(docker, stack);
  const ids = new Set(services.map(({ id }) => id));
  return [
    ...declared
      .filter(({ id }) => !ids.has(id ?? ""))
      .map((resource) => ({
        ...{ of: engineNameOf(resource) ?? nameOf(resource.urn), fact: "service" },
        ...{ declared: "there", live: "(not there)" },
      })),
    ...services
      .filter(({ id }) => !known.has(id))
      .map(({ name }) => ({ of: name, fact: "service", declared: "(not there)", live: "there" })),
    ...services
      .filter((service) => !isGoodService(service))
      .map(({ name, desired, running }) => ({
        ...{ of: name, fact: "tasks that run" },
        ...{ declared: desired === 0 ? "at least 1" : String(desired), live: String(running) },
      })),
  ];
}

/** Whether each network is internal as declared, and which undeclared containers are on it. */
async function compareNetworks(
  docker: Docker,
  state: State,
  declared: readonly StateResource[],
): Promise<Difference[]> {
  const known = new Set(declared.map(({ id }) => id));
  const compared = present(state, types.network).map(async (resource): Promise<Difference[]> => {
    const name = engineNameOf(resource) ?? nameOf(resource.urn);
    const info = await unlessGone(docker.getNetwork(resource.id ?? name).inspect());
    if (info === undefined) return [{ of: name, fact: "network", declared: "there", live: "(not there)" }];
    // What is on an overlay of a swarm are tasks, and an address of this node.
    const guests =
      info.Driver === "overlay" ? [] : Object.entries(info.Containers ?? {}).filter(([id]) => !known.has(id));
    const wanted = {
      internal: String(resource.inputs?.["internal"] === true),
      ...labelFacts(labelsOf(resource)),
    };
    const found = { internal: String(info.Internal), ...labelFacts(info.Labels ?? {}) };
    return [
      ...differences(name, wanted, found),
      ...guests.map(([, guest]) => ({
        of: name,
        fact: "member",
        declared: "(not there)",
        live: String(guest.Name),
      })),
    ];
  });
  return (await Promise.all(compared)).flat();
}

const labelFacts = (labels: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(labels).map(([key, value]) => [`label ${key}`, value]));
