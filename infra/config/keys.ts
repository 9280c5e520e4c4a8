/** What config keys are made of: the shapes that several rooms share, and how a wrong value is told. */
import { z } from "zod";
import { spellCpus } from "./cpus.ts";

/** A key whose value is refused: which one, what it is, what is allowed. */
export interface ConfigProblem {
  /** A key of Pulumi.yaml, or one of a provider with its namespace, such as cloudflare:apiToken. */
  readonly key: string;
  readonly value: unknown;
  /** Undefined for a key that does not exist: no value of it is right. */
  readonly allowed?: string;
  /** The part of the value that is meant; default: all of it. */
  readonly path?: readonly string[];
}

/** The values of some keys, by their schemas. */
export type Values<K extends z.core.$ZodShape> = z.infer<z.ZodObject<K>>;

export const within = (min: number, max: number) =>
  z.number().int().min(min).max(max).describe(`a whole number from ${min} to ${max}`);

export const port = within(1, 65_535);

export const flag = z.boolean().describe("true or false");

export const cpus = z
  .string()
  .regex(/^(0|[1-9][0-9]{0,2})(\.[0-9]{1,3})?$/)
  .refine((cores) => spellCpus(cores) !== undefined)
  .describe(
    'cores as a decimal string with at most three decimals: any from "0.1" to "9.999", and others that the docker ' +
      'provider reads back as they are, such as "12" or "12.5" (not "0.05", "10" or "20": it reads back "0.1", "10.", ' +
      '"20.", and would replace the container on every up)',
  );

export const image = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._/-]*(:[0-9]+\/[a-z0-9._/-]+)?(:[\w][\w.-]{0,127})?(@sha256:[0-9a-f]{64})?$/)
  .refine((name) => /:[\w][\w.-]*(@|$)|@sha256:/.test(name) && !/:latest$/.test(name))
  .describe("an image name with a tag other than latest, a digest, or both");

export const hostname = z
  .string()
  .max(253)
  .regex(/^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/);

export const token = z.string().regex(/^\S*$/).describe("a token without white space");

/** One certificate in PEM, or a chain. */
export const certificates =
  /^(-----BEGIN CERTIFICATE-----\r?\n[A-Za-z0-9+/=\r\n]+-----END CERTIFICATE-----(\r?\n)*)+$/;
