#!/usr/bin/env node
/**
 * The policy pack as a program: `pulumi preview --policy-pack "$PWD/policies/main.ts"` starts it. A pack that is a program
 * needs no language host; the CLI starts one since 3.259 (docs/decisions/0021-policies.md).
 */
import { PolicyPack } from "@pulumi/policy";
import { environmentOf, policySettings } from "../infra/config/policy-settings.ts";
import { Judge, type Run } from "./judge.ts";
import { RULES } from "./pack.ts";
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

const judge = new Judge(RULES);
listenToEngine((configured) => judge.begin(readRun(configured)));
// @pulumi/policy reads its version from the package.json of the working folder, which is the program's.
process.chdir(import.meta.dirname);
new PolicyPack("omniai", { policies: judge.policies, enforcementLevel: "mandatory" });
