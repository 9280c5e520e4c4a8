/** What a rule is and what it gets. Rules are plain data and generators, so that a test needs no engine. */
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { ContainerArgs, ServiceArgs } from "@pulumi/docker";
import type { Unwrap } from "@pulumi/pulumi";
import type { Environment } from "../infra/config/policy-settings.ts";

/** What the pack knows of the stack before it sees the first resource. */
export interface StackContext {
  readonly stack: string;
  readonly environment: Environment;
  /** The memory of the host in MiB; 0 where the config does not say it. */
  readonly hostMemory: number;
  /** The cores of the host; 0 where the config does not say it. */
  readonly hostCpus: number;
  /** False where another stack declares the settings of the zone that holds this stack's names. */
  readonly managesZone: boolean;
}

/** Properties whose shape is not known. */
export type Props = Readonly<Record<string, unknown>>;

/**
 * A resource as the program declares it. In a preview, reading a property whose value is not known yet throws, and the
 * rule runs again during the update. So a rule first reads what decides, and last what may be unknown.
 */
export interface Inspected<P = Props> {
  readonly urn: string;
  readonly type: string;
  readonly name: string;
  readonly props: P;
  /** The paths of the values that are Pulumi secrets, for example "envs.0". A preview knows them too. */
  readonly secrets: readonly string[];
  readonly options: { readonly protect: boolean; readonly deleteBeforeReplace?: boolean };
}

/** One of all resources of the stack, with what each of its properties was made from. */
export interface Declared extends Inspected {
  /** URNs by property. */
  readonly dependencies: Readonly<Record<string, readonly string[]>>;
  /** Every text in its properties, and whether it is a secret. */
  readonly texts: readonly Text[];
}

export interface Text {
  readonly path: string;
  readonly value: string;
  readonly secret: boolean;
}

/** A violation of a rule that looks at the whole stack. */
export interface StackFinding {
  readonly what: string;
  /** The resource that has to change; absent where it is the stack as a whole. */
  readonly resource?: Pick<Declared, "urn" | "name">;
}

interface RuleText {
  /** How exceptions name it. */
  readonly name: string;
  /** One sentence: what holds. */
  readonly title: string;
  /** Where the rule comes from. */
  readonly source: string;
  /** What to do about a violation. */
  readonly remedy: string;
  /** The environments that it holds in; default: all. */
  readonly environments?: readonly Environment[];
}

export interface ResourceRule extends RuleText {
  readonly kind: "resource";
  /** The type tokens that it is for; "every" for a rule about whatever there is. */
  readonly types: readonly string[] | "every";
  /** Yields each thing that is wrong, as a sentence. */
  check(resource: Inspected, stack: StackContext): Iterable<string>;
}

export interface StackRule extends RuleText {
  readonly kind: "stack";
  check(resources: readonly Declared[], stack: StackContext): Iterable<StackFinding>;
}

export type Rule = ResourceRule | StackRule;

export const CONTAINER = "docker:index/container:Container";
export const SERVICE = "docker:index/service:Service";
export const IMAGE = "docker:index/remoteImage:RemoteImage";
export const NETWORK = "docker:index/network:Network";
export const VOLUME = "docker:index/volume:Volume";
export const COMMAND = "command:local:Command";
export const REMOTE_COMMAND = "command:remote:Command";
/** Commands of this machine, and of the host over SSH. */
export const COMMANDS = [COMMAND, REMOTE_COMMAND] as const;
export const STACK = "pulumi:pulumi:Stack";

export type ContainerProps = Readonly<Unwrap<ContainerArgs>>;
export type ServiceProps = Readonly<Unwrap<ServiceArgs>>;

/** What a command is made of, on this machine or on the host. */
export interface CommandProps {
  readonly create?: string;
  readonly update?: string;
  readonly delete?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly stdin?: string;
}

/** A shell that takes its script from its standard input. */
const readsScript = /\bsh -s$/;

/** A command that runs a file of the program, whose path is in the variable SCRIPT. */
const runsFile = /^node "\$SCRIPT"/;

/** The program's folder, in which its commands run. */
const PROGRAM = join(import.meta.dirname, "../infra");

/** A file of the program that a command runs: its path, and its content as it is now; undefined where there is none. */
export function scriptFile({
  create,
  update,
  delete: remove,
  environment,
}: CommandProps): { readonly path: string; readonly content: string | undefined } | undefined {
  if (![create, update, remove].some((text) => text !== undefined && runsFile.test(text))) return undefined;
  const path = environment?.["SCRIPT"] ?? "";
  try {
    return { path, content: readFileSync(resolve(PROGRAM, path), "utf8") };
  } catch {
    return { path, content: undefined };
  }
}

/**
 * Every text of a command that is run. One of them comes in a variable, so that the shell around it does not interpret its
 * characters; where the variable names a file, it is what the file has.
 */
export function scriptsOf(props: CommandProps): string[] {
  const { create, update, delete: remove } = props;
  const commands = [create, update, remove].filter((text) => text !== undefined && text !== "") as string[];
  const named = commands.some((text) => text.includes("$SCRIPT")) ? props.environment?.["SCRIPT"] : undefined;
  const inside = scriptFile(props)?.content ?? named;
  const fed = commands.some((text) => readsScript.test(text)) ? props.stdin : undefined;
  return [...new Set([...commands, inside ?? "", fed ?? ""])].filter((text) => text !== "");
}

/** Whether the rule looks at resources of the type. */
export const isAbout = ({ types }: ResourceRule, type: string): boolean =>
  types === "every" || types.includes(type);

/** A rule for resources of some types, whose properties have the shape `P`. */
export const resourceRule = <P>(
  types: ResourceRule["types"],
  rule: RuleText & { check(resource: Inspected<P>, stack: StackContext): Iterable<string> },
): ResourceRule => ({
  ...rule,
  kind: "resource",
  types,
  // The engine checks a resource's properties against its provider's schema; the type token stands for that.
  check: (resource, stack) => rule.check(resource as Inspected<P>, stack),
});

/** A rule for every container. */
export const containerRule = (
  rule: RuleText & { check(container: Inspected<ContainerProps>, stack: StackContext): Iterable<string> },
): ResourceRule => resourceRule<ContainerProps>([CONTAINER], rule);

/** A rule for every service of a swarm. */
export const serviceRule = (
  rule: RuleText & { check(service: Inspected<ServiceProps>, stack: StackContext): Iterable<string> },
): ResourceRule => resourceRule<ServiceProps>([SERVICE], rule);

export const stackRule = (rule: Omit<StackRule, "kind">): StackRule => ({ ...rule, kind: "stack" });

/** True for the error that reading an unknown value throws. */
export const isUnknownValue = (error: unknown): error is Error =>
  error instanceof Error && "unknownTypeSentinel" in error;

/** The known items of a list, and then the error of the first unknown one: what is known is judged at once. */
export function* knownFirst<T>(list: readonly T[] | undefined): Iterable<T> {
  let unknown: unknown;
  for (let index = 0; index < (list?.length ?? 0); index += 1) {
    try {
      yield (list as readonly T[])[index] as T;
    } catch (error) {
      if (!isUnknownValue(error)) throw error;
      unknown ??= error;
    }
  }
  if (unknown !== undefined) throw unknown as Error;
}

/** The value of a label, from the list that @pulumi/docker takes. */
export const labelOf = (
  labels: readonly { label: string; value: string }[] | undefined,
  name: string,
): string | undefined => (labels ?? []).find(({ label }) => label === name)?.value;

/** True where the program chose the name; otherwise the engine makes up "<name in the program>-<7 hex digits>". */
export const hasFixedName = (name: string, given: string | undefined): boolean =>
  given !== undefined &&
  !(given.startsWith(`${name}-`) && /^[0-9a-f]{7}$/.test(given.slice(name.length + 1)));

/** A value, or undefined where it is not known yet: for values that do not matter then. */
export function ifKnown<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (isUnknownValue(error)) return undefined;
    throw error;
  }
}
