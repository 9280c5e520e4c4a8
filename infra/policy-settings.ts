/**
 * The part of a stack's config that its policies are about: which environment it is, how large its host is, and the
 * exceptions. Read by the program, which refuses what cannot be, and by the policy pack.
 */
import { z } from "zod";

export const ENVIRONMENTS = ["dev", "staging", "prod"] as const;
export type Environment = (typeof ENVIRONMENTS)[number];

/** One rule that need not hold for one resource, for a while. */
export const policyException = z.strictObject({
  rule: z.string().min(1),
  /** The resource's name in the program; a trailing * stands for any rest. */
  resource: z.string().min(1),
  reason: z.string().trim().min(10),
  /** The last day that it holds, in UTC. */
  until: z.iso.date(),
});

export type PolicyException = Readonly<z.infer<typeof policyException>>;

export const policySettings = {
  environment: z.enum(["", ...ENVIRONMENTS]).describe(`one of ${ENVIRONMENTS.join(", ")}, or empty`),
  hostMemory: z
    .number()
    .int()
    .min(0)
    .max(16_777_216)
    .describe("a whole number of MiB from 0 (not said) to 16777216"),
  hostCpus: z.number().int().min(0).max(4096).describe("a whole number from 0 (not said) to 4096"),
  cloudflareManageZone: z.boolean().describe("true or false"),
  policyExceptions: z
    .array(policyException)
    .describe(
      "a list of {rule, resource, reason, until}: the rule's name, the resource's, at least 10 characters of reason, " +
        "and the last day as YYYY-MM-DD",
    ),
};

/** The environment that the config says; else the stack's name where it is one; else dev. */
export function environmentOf(stack: string, configured: string): Environment {
  const is = (name: string): name is Environment => (ENVIRONMENTS as readonly string[]).includes(name);
  if (is(configured)) return configured;
  return is(stack) ? stack : "dev";
}

/** Violations stop a run everywhere but in dev, where they are only shown. */
export const isMandatory = (environment: Environment): boolean => environment !== "dev";
