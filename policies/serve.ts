/** Serves rules to the Pulumi engine that has started this process. */
import { PolicyPack } from "@pulumi/policy";
import { environmentOf, policySettings } from "../infra/config/policy-settings.ts";
import { Judge, type Run } from "./judge.ts";
import { RULES } from "./pack.ts";
import type { Rule } from "./rule.ts";
import { listenToEngine, type StackConfigured } from "./wire.ts";

/** @throws Error that names the key with a wrong value */
function readRun({ stack, project, preview, config }: StackConfigured): Run {
  const read = <K extends keyof typeof policySettings>(key: K, fallback: unknown) => {
    const text = config.get(`${project}:${key}`);
    const value: unknown = text === undefined ? fallback : key === "environment" ? text : JSON.parse(text);
    const result = policySettings[key].safeParse(value);
    if (!result.success)
      throw new Error(`${project}:${key} is ${text}; allowed: ${policySettings[key].description}.`);
    return result.data as ReturnType<(typeof policySettings)[K]["parse"]>;
  };
  return {
    stack,
    preview,
    environment: environmentOf(stack, read("environment", "")),
    hostMemory: read("hostMemory", 0),
    hostCpus: read("hostCpus", 0),
    managesZone: read("cloudflareManageZone", true),
    exceptions: read("policyExceptions", []),
    now: new Date(),
  };
}

/** @param rules some of all; an exception may name any of them. */
export function servePack(rules: readonly Rule[]): void {
  const judge = new Judge(rules, RULES);
  listenToEngine((configured) => judge.begin(readRun(configured)));
  // @pulumi/policy reads its version from the package.json of the working folder, which is the program's.
  process.chdir(import.meta.dirname);
  new PolicyPack("omniai", { policies: judge.policies, enforcementLevel: "mandatory" });
}
