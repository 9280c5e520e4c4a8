/**
 * What a state has forgotten so that data begins anew, kept in the state itself until it has: a deploy that does not come to it must
 * not leave a state in which the next one, from wherever, begins anew unasked (docs/decisions/0033-identity.md).
 */
import { OpsError } from "../terminal/errors.ts";
import { isMapping } from "./json.ts";
import { nameOf, resourcesOf, type State, type StateResource } from "./state.ts";

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

/** Pure: the state without these resources, and without what others say of them. */
export function withoutResources(state: State, urns: readonly string[]): State {
  const gone = new Set(urns);
  const others = (list: unknown): unknown =>
    Array.isArray(list) ? list.filter((urn) => !gone.has(String(urn))) : list;
  return {
    ...state,
    resources: resourcesOf(state)
      .filter(({ urn }) => !gone.has(urn))
      .map((resource) => ({
        ...resource,
        ...(resource.dependencies && { dependencies: others(resource.dependencies) as string[] }),
        ...(resource.propertyDependencies && {
          propertyDependencies: Object.fromEntries(
            Object.entries(resource.propertyDependencies).map(([key, list]) => [
              key,
              others(list) as string[],
            ]),
          ),
        }),
      })),
  };
}

/** A component that no program declares: Pulumi keeps it until an update has gone through, and takes it away last. */
const RECORD_TYPE = "omniai:Forgotten";

/** Pure: the state without these resources, and with the record of them, which every machine finds. */
export function withRecord(state: State, urns: readonly string[]): State {
  const [prefix = "", project = ""] = (urns[0] ?? "").split("::");
  const stack = prefix.slice(prefix.lastIndexOf(":") + 1);
  const record = {
    urn: `${prefix}::${project}::${RECORD_TYPE}::omniai-${stack}-forgotten`,
    type: RECORD_TYPE,
    custom: false,
    // As text: what is encrypted in it stays as it is.
    outputs: { resources: JSON.stringify(forgottenOf(state, urns)) },
  };
  const without = withoutResources(state, urns);
  return { ...without, resources: [...resourcesOf(without), record] };
}

/** Pure: the record in a state. @throws OpsError where it cannot be read */
export function recordIn(state: State): Forgotten | undefined {
  const [record] = resourcesOf(state, RECORD_TYPE);
  if (record === undefined) return undefined;
  try {
    const text = record.outputs?.["resources"];
    const found: unknown = JSON.parse(typeof text === "string" ? text : "");
    if (isMapping(found) && Array.isArray(found["resources"]) && Array.isArray(found["references"]))
      return found as unknown as Forgotten;
  } catch {
    // Said below.
  }
  throw new OpsError(
    `The stack's state has a record of what has to come back before anything is deployed, and it cannot be read (${record.urn}).`,
    `If the data was to begin anew, remove that record and run the command again: pulumi state delete '${record.urn}'`,
  );
}

/** Pure: the state as it is once what it has forgotten is back. @returns also the URNs that came back */
export function remembered(state: State): { readonly state: State; readonly back: readonly string[] } {
  const forgotten = recordIn(state);
  if (forgotten === undefined) return { state, back: [] };
  const records = resourcesOf(state, RECORD_TYPE).map(({ urn }) => urn);
  return withForgotten(withoutResources(state, records), forgotten);
}
