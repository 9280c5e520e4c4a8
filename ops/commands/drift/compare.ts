/** Every container and network of a stack on the engine, against what the stack's state says was declared. */
import type Docker from "dockerode";
import { LABELS, unlessGone, viewContainer, isGood } from "../../engine/containers.ts";
import { condition } from "../../engine/health-report.ts";
import {
  engineNameOf,
  labelsOf,
  nameOf,
  resourcesOf,
  TYPES,
  type State,
  type StateResource,
} from "../../stack/state.ts";
import { declaredFacts, differences, liveFacts, type Difference, type ImageDefaults } from "./facts.ts";

/** Pure: the pids limit that the command beside a container sets, by the container's logical name. */
export function pidsLimits(state: State): Map<string, number> {
  return new Map(
    resourcesOf(state, TYPES.command).flatMap((resource) => {
      const pids = (resource.inputs?.["environment"] as Record<string, unknown> | undefined)?.["PIDS"];
      return pids === undefined ? [] : [[nameOf(resource.urn), Number(pids)] as const];
    }),
  );
}

const present = (state: State, type: string): StateResource[] =>
  resourcesOf(state, type).filter((resource) => resource.delete !== true);

export async function look(docker: Docker, stack: string, state: State): Promise<readonly Difference[]> {
  const limits = pidsLimits(state);
  const declared = present(state, TYPES.container);
  const found = await Promise.all(
    declared.map((resource) => lookAtContainer(docker, resource, limits.get(nameOf(resource.urn)))),
  );
  return [
    ...found.flat(),
    ...(await strangers(docker, stack, declared)),
    ...(await lookAtNetworks(docker, state, declared)),
  ];
}

async function lookAtContainer(
  docker: Docker,
  resource: StateResource,
  pidsLimit: number | undefined,
): Promise<readonly Difference[]> {
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

/** Containers that carry the stack's label and that no state knows. */
async function strangers(
  docker: Docker,
  stack: string,
  declared: readonly StateResource[],
): Promise<Difference[]> {
  const known = new Set(declared.map(({ id }) => id));
  const filters = JSON.stringify({ label: [`${LABELS.stack}=${stack}`] });
  const all = await docker.listContainers({ all: true, filters });
  return all
    .filter(({ Id }) => !known.has(Id))
    .map(({ Names, Status }) => ({
      of: (Names[0] ?? "").replace(/^\//, ""),
      fact: "container",
      declared: "(not there)",
      live: Status,
    }));
}

/** Whether a network still has no way out, and who is on it that nobody declared. */
async function lookAtNetworks(
  docker: Docker,
  state: State,
  declared: readonly StateResource[],
): Promise<Difference[]> {
  const known = new Set(declared.map(({ id }) => id));
  const looked = present(state, TYPES.network).map(async (resource): Promise<Difference[]> => {
    const name = engineNameOf(resource) ?? nameOf(resource.urn);
    const info = await unlessGone(docker.getNetwork(resource.id ?? name).inspect());
    if (info === undefined) return [{ of: name, fact: "network", declared: "there", live: "(not there)" }];
    const guests = Object.entries(info.Containers ?? {}).filter(([id]) => !known.has(id));
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
  return (await Promise.all(looked)).flat();
}

const labelFacts = (labels: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(labels).map(([key, value]) => [`label ${key}`, value]));
