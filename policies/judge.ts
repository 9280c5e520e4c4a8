/** From rules to the policies of @pulumi/policy: levels, exceptions, and values that are not known yet. */
import type {
  EnforcementLevel,
  PolicyResource,
  ReportViolation,
  ResourceValidation,
  ResourceValidationPolicy,
  StackValidationPolicy,
} from "@pulumi/policy";
import { isMandatory, type PolicyException } from "../infra/config/policy-settings.ts";
import { describeException, exceptionFor, isExpired } from "./exceptions.ts";
import {
  isAbout,
  isUnknownValue,
  STACK,
  type Declared,
  type Inspected,
  type ResourceRule,
  type Rule,
  type StackContext,
  type StackRule,
} from "./rule.ts";
import { currentTexts, currentTextsByUrn } from "./wire.ts";

/** One run of the engine, as the pack sees it. */
export interface Run extends StackContext {
  readonly preview: boolean;
  readonly exceptions: readonly PolicyException[];
  readonly now: Date;
}

/** The name of the policy that tells what a person should know, and never stops a run. */
export const REMARKS = "remarks";

export class Judge {
  #run: Run | undefined;
  readonly #used = new Map<PolicyException, number>();
  /** Checks that wait for the update: the names of resources, by rule. */
  readonly #waiting = new Map<string, Set<string>>();
  readonly policies: (ResourceValidationPolicy | StackValidationPolicy)[];
  readonly #rules: readonly Rule[];
  readonly #known: ReadonlySet<string>;

  /** @param known every rule that an exception may name. */
  constructor(rules: readonly Rule[], known: readonly Rule[] = rules) {
    this.#rules = rules;
    this.#known = new Set(known.map(({ name }) => name));
    this.policies = [
      ...rules.map((rule) =>
        rule.kind === "resource" ? this.#resourcePolicy(rule) : this.#stackPolicy(rule),
      ),
      // Last, because it tells what the others found.
      this.#remarks(),
    ];
  }

  /** Takes what the engine says about the run. @throws Error when an exception names an unknown rule */
  begin(run: Run): void {
    const unknown = run.exceptions.filter(({ rule }) => !this.#known.has(rule)).map(({ rule }) => rule);
    if (unknown.length > 0) {
      throw new Error(
        `omniai:policyExceptions of stack ${run.stack} names an unknown rule: ${unknown.join(", ")}. ` +
          "docs/policies.md lists all rules.",
      );
    }
    this.#run = run;
    const level: EnforcementLevel = isMandatory(run.environment) ? "mandatory" : "advisory";
    for (const policy of this.policies) {
      const rule = this.#rules.find(({ name }) => name === policy.name);
      const holds = rule?.environments?.includes(run.environment) ?? true;
      policy.enforcementLevel = rule === undefined ? "advisory" : holds ? level : "disabled";
    }
  }

  get #running(): Run {
    // Without a run neither the level nor the exceptions are known, so nothing may pass.
    if (this.#run === undefined) {
      throw new Error(
        "The Pulumi CLI is too old: it did not say which stack this is. `npm run doctor` says which version is needed.",
      );
    }
    return this.#run;
  }

  #resourcePolicy(rule: ResourceRule): ResourceValidationPolicy {
    const validate: ResourceValidation = (args, report) => {
      if (!isAbout(rule, args.type)) return;
      const resource = inspect(args, currentTexts());
      const found = this.#collect(rule, resource.name, () => rule.check(resource, this.#running));
      for (const what of found) this.#report(rule, resource, what, report);
    };
    const [type, another] = rule.types === "every" ? [] : rule.types;
    // The mark that validateResourceOfType sets, so that the properties of other types are not even read.
    const validateResource =
      type !== undefined && another === undefined
        ? Object.assign(validate, { __pulumiType: type })
        : validate;
    return { ...describe(rule), validateResource };
  }

  #stackPolicy(rule: StackRule): StackValidationPolicy {
    return {
      ...describe(rule),
      validateStack: ({ resources }, report) => {
        const declared = declare(resources);
        const root = declared.find(({ type }) => type === STACK);
        const found = this.#collect(rule, this.#running.stack, () => rule.check(declared, this.#running));
        for (const { what, resource } of found) {
          const about = resource ?? root;
          this.#report(rule, { urn: about?.urn, name: about?.name ?? this.#running.stack }, what, report);
        }
      },
    };
  }

  /** What a rule finds until it reads a value that is not known yet; the rest waits for the update. */
  #collect<T>(rule: Rule, name: string, check: () => Iterable<T>): T[] {
    const found: T[] = [];
    try {
      for (const finding of check()) found.push(finding);
    } catch (error) {
      if (!isUnknownValue(error)) throw error;
      if (!this.#running.preview) {
        throw new Error(`${rule.name} could not be checked for ${name}: ${error.message}`, { cause: error });
      }
      this.#waiting.set(rule.name, (this.#waiting.get(rule.name) ?? new Set()).add(name));
    }
    return found;
  }

  #report(
    rule: Rule,
    { urn, name }: { urn?: string; name: string },
    what: string,
    report: ReportViolation,
  ): void {
    const { exceptions, now } = this.#running;
    const exception = exceptionFor(exceptions, rule.name, name, now);
    if (exception !== undefined) this.#used.set(exception, (this.#used.get(exception) ?? 0) + 1);
    if (exception !== undefined && !isExpired(exception, now)) return;
    const expired = exception === undefined ? "" : ` Its exception ended with ${exception.until}.`;
    report(`${name}: ${what}${expired} ${rule.remedy}`, urn);
  }

  #remarks(): StackValidationPolicy {
    return {
      name: REMARKS,
      description:
        "What a person should know about this run: its exceptions, and the checks that wait for the update.",
      enforcementLevel: "advisory",
      validateStack: (_args, report) => {
        const { exceptions, now } = this.#running;
        for (const exception of exceptions)
          report(describeException(exception, this.#used.get(exception) ?? 0, now));
        const line = describeWaiting(this.#waiting);
        if (line !== undefined) report(line);
      },
    };
  }
}

/** Pure: one line about what waits for the update; undefined where nothing does. */
export function describeWaiting(waiting: ReadonlyMap<string, ReadonlySet<string>>): string | undefined {
  if (waiting.size === 0) return undefined;
  const parts = [...waiting].map(([rule, names]) => `${rule} (${[...names].sort().join(", ")})`);
  return `Checked during the update, because values are not known before: ${parts.join("; ")}.`;
}

const describe = (rule: Rule): { name: string; description: string; remediationSteps: string } => ({
  name: rule.name,
  description: `${rule.title} (${rule.source})`,
  remediationSteps: rule.remedy,
});

const inspect = (
  args: Pick<PolicyResource, "urn" | "type" | "name" | "props" | "opts">,
  texts: Declared["texts"],
): Inspected => ({
  urn: args.urn,
  type: args.type,
  name: args.name,
  props: args.props,
  secrets: texts.filter(({ secret }) => secret).map(({ path }) => path),
  options: args.opts,
});

function declare(resources: readonly PolicyResource[]): Declared[] {
  const texts = currentTextsByUrn();
  return resources.map((resource) => {
    const own = texts.get(resource.urn) ?? [];
    const dependencies = Object.entries(resource.propertyDependencies).map(
      ([property, sources]) => [property, sources.map(({ urn }) => urn)] as const,
    );
    return { ...inspect(resource, own), texts: own, dependencies: Object.fromEntries(dependencies) };
  });
}
