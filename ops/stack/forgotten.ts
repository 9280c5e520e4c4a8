/**
 * What the state has forgotten so that data begins anew, kept in a file until it has: a deploy that does not come to it must
 * not leave a state in which the next one begins anew unasked (docs/decisions/0033-identity.md).
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { OpsError } from "../terminal/errors.ts";
import { withoutResources } from "./identity.ts";
import { exportState, importState } from "./open-stack.ts";
import type { Session } from "./session.ts";
import { nameOf, resourcesOf, type State, type StateResource } from "./state.ts";
import { say } from "./this-process.ts";

/** What a resource that stayed said of one that is forgotten. */
interface Reference {
  readonly from: string;
  readonly to: string;
  /** The property that needs it; undefined for the resource as a whole. */
  readonly property?: string;
}

export interface Forgotten {
  /** In the order of the state. */
  readonly resources: readonly StateResource[];
  readonly references: readonly Reference[];
}

/** Pure: all that the state has and `withoutResources` takes out of it. */
export function forgottenOf(state: State, urns: readonly string[]): Forgotten {
  const gone = new Set(urns);
  const stay = resourcesOf(state).filter(({ urn }) => !gone.has(urn));
  const lost = (list: readonly string[] = []): string[] => list.filter((urn) => gone.has(urn));
  return {
    resources: resourcesOf(state).filter(({ urn }) => gone.has(urn)),
    references: stay.flatMap(({ urn: from, dependencies, propertyDependencies = {} }) => [
      ...lost(dependencies).map((to) => ({ from, to })),
      ...Object.entries(propertyDependencies).flatMap(([property, list]) =>
        lost(list).map((to) => ({ from, to, property })),
      ),
    ]),
  };
}

/** Everything that has to stand before a resource in the state. */
const needsOf = ({ parent, provider, dependencies = [] }: StateResource): string[] => [
  ...dependencies,
  ...(parent === undefined ? [] : [parent]),
  // A provider is named by its URN and its id.
  ...(provider === undefined ? [] : [provider.slice(0, provider.lastIndexOf("::"))]),
];

const withReferences = (resource: StateResource, references: readonly Reference[]): StateResource => {
  const own = references.filter(({ from }) => from === resource.urn);
  const added = (list: readonly string[] = [], property?: string): string[] => [
    ...new Set([...list, ...own.filter((one) => one.property === property).map(({ to }) => to)]),
  ];
  if (own.length === 0) return resource;
  const properties = own.flatMap(({ property }) => (property === undefined ? [] : [property]));
  const before = resource.propertyDependencies ?? {};
  return {
    ...resource,
    dependencies: added(resource.dependencies),
    propertyDependencies: {
      ...before,
      ...Object.fromEntries(properties.map((property) => [property, added(before[property], property)])),
    },
  };
};

/** What belongs together: a volume without its identity, or the other way round, would be other data. */
const groupsOf = (resources: readonly StateResource[]): StateResource[][] =>
  Object.values(
    Object.groupBy(resources, ({ urn }) => nameOf(urn).slice(0, nameOf(urn).lastIndexOf("-"))),
  ).filter((group) => group !== undefined);

/** Puts resources behind what they need; undefined when one is there already, or what it hangs on is another one. */
function withGroup(
  there: readonly StateResource[],
  group: readonly StateResource[],
): StateResource[] | undefined {
  const list = [...there];
  const has = (urn: string): boolean => list.some((one) => one.urn === urn);
  if (group.some(({ urn }) => has(urn))) return undefined;
  for (const resource of group) {
    const needs = needsOf(resource);
    const { provider } = resource;
    const sameProvider =
      provider === undefined || list.some(({ urn, id }) => provider === `${urn}::${id ?? ""}`);
    if (!sameProvider || !needs.every(has)) return undefined;
    const last = Math.max(-1, ...needs.map((need) => list.findLastIndex(({ urn }) => urn === need)));
    list.splice(last + 1, 0, resource);
  }
  return list;
}

/**
 * Pure: the state with what it had forgotten, and with all else as it is now. The data of a workload stays away when some of
 * it was made anew, or when the stack was: then it is no part of this state.
 * @returns also the URNs that came back
 */
export function withForgotten(
  state: State,
  { resources, references }: Forgotten,
): { readonly state: State; readonly back: readonly string[] } {
  let list = resourcesOf(state);
  const back = new Set<string>();
  for (const group of groupsOf(resources)) {
    const longer = withGroup(list, group);
    if (longer === undefined) continue;
    list = longer;
    for (const { urn } of group) back.add(urn);
  }
  const own = references.filter(({ to }) => back.has(to));
  return {
    state: { ...state, resources: list.map((resource) => withReferences(resource, own)) },
    back: [...back],
  };
}

type Where = Pick<Session, "stack" | "backend">;

const fileOf = ({ stack, backend }: Where): string => join(backend.stateDir, "forgotten", `${stack}.json`);

/** Lets the state forget resources, and keeps them until `doneWithForgotten`. @returns the state after that */
export async function forget(session: Session, state: State, urns: readonly string[]): Promise<State> {
  const file = fileOf(session);
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  writeFileSync(file, JSON.stringify(forgottenOf(state, urns)), { mode: 0o600 });
  await importState(session.handle, (exported) => withoutResources(exported, urns));
  say(`The state forgets ${urns.map(nameOf).join(", ")}; what is declared of it is made anew.`);
  return exportState(session.handle);
}

/** What was forgotten has been made anew, or the stack is no more. */
export const doneWithForgotten = (where: Where): void => rmSync(fileOf(where), { force: true });

/** Gives the state back what a deploy that did not come to it has let it forget. Does nothing where there is nothing. */
export async function remember(session: Session): Promise<void> {
  const file = fileOf(session);
  if (!existsSync(file)) return;
  const forgotten = readForgotten(file);
  let names: string[] = [];
  await importState(session.handle, (exported) => {
    const { state, back } = withForgotten(exported, forgotten);
    names = back.map(nameOf);
    return state;
  });
  doneWithForgotten(session);
  if (names.length > 0)
    say(`The state has ${names.join(", ")} again, because the deploy did not come to making them anew.`);
}

function readForgotten(file: string): Forgotten {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Forgotten;
  } catch (error) {
    throw new OpsError(
      `${file} cannot be read (${(error as Error).message}). It keeps what the stack's state has to have back before anything is deployed.`,
      "If the data was to begin anew, remove that file and run the command again.",
    );
  }
}
