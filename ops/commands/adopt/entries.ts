/**
 * What Pulumi would make, as entries of a state in which it is made already. A state can only be written by what Pulumi
 * says of its own plan: its names, parents, providers and inputs are then exactly those of the next update.
 */
import { randomUUID } from "node:crypto";
import type { StepEventMetadata } from "@pulumi/pulumi/automation/index.js";
import type { StateResource } from "../../stack/state.ts";

type Step = NonNullable<StepEventMetadata["new"]>;
type Values = Readonly<Record<string, unknown>>;

/** A resource that Pulumi would make. */
export interface Planned {
  readonly urn: string;
  readonly type: string;
  readonly custom: boolean;
  readonly parent: string;
  /** The URN of its provider; empty where it has none. */
  readonly provider: string;
  readonly protect: boolean;
  readonly inputs: Values;
}

/** What stands for a value that is known only later, by its type: text, flag, number, list, mapping. */
const unknowns: ReadonlySet<unknown> = new Set([
  "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
  "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
  "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
  "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
  "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
]);

/** Pure: whether a value, or a part of it, is known only later. */
export const isUnknown = (value: unknown): boolean =>
  unknowns.has(value) ||
  (typeof value === "object" && value !== null && Object.values(value).some(isUnknown));

const SECRET = "4dabf18193072939515e22adb298388d";

/** A secret as a state may be given it; the import encrypts it. */
export const secretOutput = (value: unknown): Values => ({
  [SECRET]: "1b47061264138c4ac30d75fd1eb44270",
  plaintext: JSON.stringify(value),
});

/**
 * Pure: a value of a plan, in which no secret can be read. What stands in the place of each is another value than the
 * program's, so that the next update has something to update.
 */
function withoutSecrets(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutSecrets);
  if (typeof value !== "object" || value === null) return value;
  if (SECRET in value) return secretOutput("not known when it was adopted");
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withoutSecrets(inner)]));
}

/** Pure: whether a secret stands in a value. */
export const hasSecret = (value: unknown): boolean =>
  typeof value === "object" && value !== null && (SECRET in value || Object.values(value).some(hasSecret));

/** Pure: "urn:pulumi:…::engine::ID" without its id. */
const providerUrn = (reference: string): string => reference.slice(0, reference.lastIndexOf("::"));

/** Pure: a step of a preview; undefined for one that makes nothing. */
export function plannedBy({ op, new: step }: StepEventMetadata): Planned | undefined {
  if (op !== "create" || step === undefined) return undefined;
  const { urn, type, custom, parent, protect, inputs, provider } = step as Step & { custom?: boolean };
  return {
    urn,
    type,
    custom: custom === true,
    parent: parent ?? "",
    provider: provider ? providerUrn(provider) : "",
    protect: protect === true,
    inputs: withoutSecrets(inputs ?? {}) as Values,
  };
}

/** Pure: the name that Pulumi has made up for a resource, anew in each plan; undefined where the program names it. */
export function inventedName({ inputs }: Planned): string | undefined {
  const [defaults, name] = [inputs["__defaults"], inputs["name"]];
  return Array.isArray(defaults) && defaults.includes("name") && typeof name === "string" ? name : undefined;
}

/** Pure: whether the inputs of a resource have a name that was made up for another one of the same plan. */
export function namesInvented(planned: Planned, plan: readonly Planned[]): boolean {
  const inputs = JSON.stringify(planned.inputs);
  return plan.some((other) => {
    const name = other === planned ? undefined : inventedName(other);
    return name !== undefined && inputs.includes(name);
  });
}

/** What is there already. */
export interface Found {
  readonly id: string;
  /** What differs from the inputs of the plan, for example a name that Pulumi would make up. */
  readonly inputs?: Values;
  /** What only the resource itself knows. */
  readonly outputs?: Values;
}

/**
 * Pure: the entry of a planned resource that is there.
 * @param providers the id of each provider by its URN.
 */
export function entryOf(
  { urn, type, custom, parent, provider, protect, inputs }: Planned,
  found: Found | undefined,
  providers: ReadonlyMap<string, string>,
): StateResource & Values {
  const all = { ...inputs, ...found?.inputs };
  return {
    ...{ urn, type, custom },
    ...(parent === "" ? {} : { parent }),
    ...(found === undefined ? {} : { id: found.id, inputs: all, outputs: { ...all, ...found.outputs } }),
    ...(protect ? { protect } : {}),
    ...(provider === "" ? {} : { provider: `${provider}::${providers.get(provider) ?? ""}` }),
    created: new Date().toISOString(),
  };
}

export const newId = (): string => randomUUID();
