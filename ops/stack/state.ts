/** What ops reads of a stack's state, in the documented form of `pulumi stack export`, version 3. */
import { isMapping } from "./json.ts";

export interface StateResource {
  readonly urn: string;
  readonly type: string;
  readonly id?: string;
  readonly custom?: boolean;
  /** True for a resource that still has to be deleted, because its successor is there already. */
  readonly delete?: boolean;
  /** True for a resource that was deleted to be replaced, by a run that did not get as far as its successor. */
  readonly pendingReplacement?: boolean;
  readonly protect?: boolean;
  /** The URN of the component that it is a part of. */
  readonly parent?: string;
  /** URN and id of its provider, with "::" between. */
  readonly provider?: string;
  readonly inputs?: Readonly<Record<string, unknown>>;
  readonly outputs?: Readonly<Record<string, unknown>>;
  readonly dependencies?: readonly string[];
  readonly propertyDependencies?: Readonly<Record<string, readonly string[]>>;
  /** ISO 8601. */
  readonly created?: string;
  /** Why its creation or update failed half-way, for example a container that never got healthy. */
  readonly initErrors?: readonly string[];
}

export interface PendingOperation {
  readonly type: string;
  readonly resource: StateResource;
}

/** The `deployment` of an export. */
export interface State {
  readonly resources?: readonly StateResource[];
  readonly pending_operations?: readonly PendingOperation[];
  readonly secrets_providers?: { readonly type?: string; readonly state?: { readonly salt?: string } };
}

export const types = {
  container: "docker:index/container:Container",
  service: "docker:index/service:Service",
  network: "docker:index/network:Network",
  volume: "docker:index/volume:Volume",
  command: "command:local:Command",
  uuid: "random:index/randomUuid:RandomUuid",
  stack: "pulumi:pulumi:Stack",
} as const;

/** The last part of a URN: the logical name. */
export const nameOf = (urn: string): string => urn.slice(urn.lastIndexOf("::") + 2);

export const resourcesOf = (state: State, type?: string): StateResource[] =>
  (state.resources ?? []).filter((resource) => type === undefined || resource.type === type);

/** The labels of a docker resource, out of its inputs. */
export function labelsOf(resource: StateResource): Record<string, string> {
  const labels: Record<string, string> = {};
  const list = resource.inputs?.["labels"];
  if (!Array.isArray(list)) return labels;
  for (const entry of list as unknown[]) {
    if (isMapping(entry) && typeof entry["label"] === "string" && typeof entry["value"] === "string") {
      labels[entry["label"]] = entry["value"];
    }
  }
  return labels;
}

/** The name on the engine. */
export function engineNameOf(resource: StateResource): string | undefined {
  const name = resource.outputs?.["name"] ?? resource.inputs?.["name"];
  return typeof name === "string" ? name : undefined;
}

/** The stack's outputs, in the form that the Automation API gives them. Secrets are as the export has them. */
export function outputsOf(state: State): Record<string, { value: unknown }> {
  const [stack] = resourcesOf(state, types.stack);
  return Object.fromEntries(Object.entries(stack?.outputs ?? {}).map(([name, value]) => [name, { value }]));
}

/** Resources whose creation failed half-way; the next update replaces them. */
export const failedResources = (state: State): StateResource[] =>
  resourcesOf(state).filter((resource) => (resource.initErrors ?? []).length > 0);
