/** Numbers in the query of a request. */
import { z } from "zod";

/**
 * A whole number in a query: digits and nothing else. JavaScript itself would also take "" (0), "1e2" and "0x10".
 */
export const wholeNumber = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d{1,10}$/, `a whole number from ${min} to ${max}`)
    .transform(Number)
    .pipe(z.number().min(min).max(max))
    // What openapi.json says of it.
    .meta({ type: "integer", minimum: min, maximum: max, pattern: undefined });
