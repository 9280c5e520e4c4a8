/** What the program declared under mocks, as a rule reads it. */
import { runtime } from "@pulumi/pulumi";

/** A value without its marks: the engine marks secrets beside the value, the mocks around it. */
export function plain(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(plain);
  const record = value as Record<string, unknown>;
  if (record[runtime.specialSigKey] === runtime.specialSecretSig) return plain(record["value"]);
  return Object.fromEntries(Object.entries(record).map(([key, item]) => [key, plain(item)]));
}
