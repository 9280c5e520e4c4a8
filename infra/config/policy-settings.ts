/**
 * The part of a stack's config that its policies are about: its environment, the size of its host, and the exceptions.
 * The program reads it, which refuses wrong values, and so does the policy pack.
 */
import { z } from "zod";

export const ENVIRONMENTS = ["dev", "staging", "prod"] as const;
export type Environment = (typeof ENVIRONMENTS)[number];

/** An exception ends: for what has to stay longer, somebody asks again with a reason. */
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
    .describe("a whole number of MiB from 0 (not set) to 16777216"),
  hostCpus: z.number().int().min(0).max(4096).describe("a whole number from 0 (not set) to 4096"),
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
 * The stricter one of the environment in the config and the one that the stack is named after; else dev. So a line of
 * the config cannot make prod less strict; such a line is refused as well (isWeaker).
 */
export const environmentOf = (stack: string, configured: string): Environment =>
  ENVIRONMENTS[Math.max(rank(stack), rank(configured), 0)] ?? "dev";

/** Whether the environment in the config is less strict than the one that the stack is named after. */
export const isWeaker = (stack: string, configured: string): boolean =>
  rank(configured) >= 0 && rank(configured) < rank(stack);

/** Violations stop a run everywhere but in dev, where they are only shown. */
export const isMandatory = (environment: Environment): boolean => environment !== "dev";
