/** Telling apart what came out of YAML and JSON files, whose shape nobody has checked yet. */

/** True for a mapping of keys to values; lists and null are none. */
export const isMapping = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
