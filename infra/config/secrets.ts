/**
 * The one rule for what is a secret. A config key is one because its schema says so (`secret`); a variable or a property
 * that has no schema is one by its name (`isSecretName`). infra/test/secrets.test.ts holds the two against each other.
 */
import type * as pulumi from "@pulumi/pulumi";
import { z } from "zod";

const secrets = z.registry<{ readonly secret: true }>();

/** The type of a value whose schema is a secret. */
export type SecretText = string & z.core.$brand<"secret">;

/** Marks a schema: its values are encrypted in a stack's file, handed out as Pulumi secrets, and never shown. */
export function secret(schema: z.ZodString): z.core.$ZodBranded<z.ZodString, "secret"> {
  secrets.add(schema, { secret: true });
  return schema.brand<"secret">();
}

const isMarked = (schema: z.ZodType): boolean => secrets.get(schema)?.secret === true;

/** Config as the program gets it: each secret is an output, or undefined where none was set. */
export type Loaded<T> = T extends SecretText
  ? pulumi.Output<string> | undefined
  : T extends string | number | boolean | undefined
    ? T
    : { [K in keyof T]: Loaded<T[K]> };

/** What a schema is around, for one that only says that a value may be absent. */
const unwrap = (schema: z.ZodType): z.ZodType =>
  schema instanceof z.ZodOptional ? unwrap(schema.unwrap() as z.ZodType) : schema;

/** The schemas of single values within a schema, each with the names that lead to it, and whether it is a secret. */
export function* leavesOf(
  schema: z.ZodType,
  names: readonly string[] = [],
): Iterable<{ readonly names: readonly string[]; readonly secret: boolean }> {
  const inner = unwrap(schema);
  if (inner instanceof z.ZodArray) yield* leavesOf(inner.element as z.ZodType, names);
  else if (inner instanceof z.ZodObject) {
    for (const [name, part] of Object.entries(inner.shape))
      yield* leavesOf(part as z.ZodType, [...names, name]);
  } else yield { names, secret: isMarked(inner) };
}

/** Whether a value of the schema is a secret, or has one within it. */
export const holdsSecret = (schema: z.ZodType): boolean => [...leavesOf(schema)].some((leaf) => leaf.secret);

type Change = (value: unknown, path: readonly string[]) => unknown;

/** A value with each secret in it changed, also one that is not set. The value need not be a right one. */
export function mapSecrets(
  schema: z.ZodType,
  value: unknown,
  change: Change,
  path: readonly string[] = [],
): unknown {
  const inner = unwrap(schema);
  if (isMarked(inner)) return change(value, path);
  if (inner instanceof z.ZodArray && Array.isArray(value)) {
    return value.map((item, index) =>
      mapSecrets(inner.element as z.ZodType, item, change, [...path, String(index)]),
    );
  }
  if (inner instanceof z.ZodObject && typeof value === "object" && value !== null) {
    const changed = Object.entries(inner.shape)
      .filter(([name]) => name in value)
      .map(([name, part]) => [
        name,
        mapSecrets(part as z.ZodType, (value as Record<string, unknown>)[name], change, [...path, name]),
      ]);
    return { ...value, ...(Object.fromEntries(changed) as object) };
  }
  return value;
}

export const isSet = (value: unknown): boolean => value !== undefined && value !== "";

/** The path of every secret that is set in a value. */
export function secretsIn(schema: z.ZodType, value: unknown): (readonly string[])[] {
  const paths: (readonly string[])[] = [];
  mapSecrets(schema, value, (secretValue, path) => {
    if (isSet(secretValue)) paths.push(path);
    return secretValue;
  });
  return paths;
}

/** The words that promise a secret: anywhere in a name, "key" only as its last word. */
const secretName = /PASS|SECRET|TOKEN|CREDENTIAL|(^|_)KEY$/;
/** A name that ends like this is of a public key, of the place of a secret, or of how long one lasts. */
const harmlessName = /(^|_)(PUBLIC|HOST)_KEY$|_(FILE|SECONDS|MINUTES|HOURS|DAYS)$/;

/** True for a name that promises a secret, in capitals or in camel case: API_KEY, apiKey, PGPASSWORD. */
export function isSecretName(name: string): boolean {
  const words = name.replace(/([a-z0-9])([A-Z])/g, "$1_$2").toUpperCase();
  return secretName.test(words) && !harmlessName.test(words);
}
