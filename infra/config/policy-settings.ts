/**
 * The part of a stack's config that its policies are about: which environment it is, how large its host is, and the
 * exceptions. Read by the program, which refuses what cannot be, and by the policy pack.
 */
import { z } from "zod";

export const ENVIRONMENTS = ["dev", "staging", "prod"] as const;
export type Environment = (typeof ENVIRONMENTS)[number];

/** An exception is for a while: what has to stay longer is asked for again, with its reason. */
const LONGEST_DAYS = 366;
const isSoon = (until: string): boolean => Date.parse(until) <= Date.now() + LONGEST_DAYS * 86_400_000;

/** One rule that need not hold for one resource, for a while. */
export const policyException = z.strictObject({
  rule: z.string().min(1),
  /** The resource's name in the program; a trailing * stands for any rest. */
  resource: z.string().refine((name) => /[^*]/.test(name), "not for every resource"),
  reason: z.string().trim().min(10),
  /** The last day that it holds, in UTC. */
  until: z.iso.date().refine(isSoon, "within a year from now"),
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
      "a list of {rule, resource, reason, until}: the rule's name, the resource's (not all of them), at least 10 " +
        "characters of reason, and the last day as YYYY-MM-DD, within a year from now",
    ),
};

export type PolicySettings = z.infer<z.ZodObject<typeof policySettings>>;

/** From the laxest to the strictest. */
const rank = (name: string): number => (ENVIRONMENTS as readonly string[]).indexOf(name);

/**
 * The environment that the config says, or that the stack's name is, whichever is stricter; else dev. So nobody takes the
 * policies from prod by a line of its config, which is refused as well (isWeaker).
 */
export const environmentOf = (stack: string, configured: string): Environment =>
  ENVIRONMENTS[Math.max(rank(stack), rank(configured), 0)] ?? "dev";

/** Whether the config says less than the stack's name does. */
export const isWeaker = (stack: string, configured: string): boolean =>
  rank(configured) >= 0 && rank(configured) < rank(stack);

/** Violations stop a run everywhere but in dev, where they are only shown. */
export const isMandatory = (environment: Environment): boolean => environment !== "dev";
