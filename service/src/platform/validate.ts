/** Validates what a client sent. */
import type { z } from "zod";
import type { ProblemSlug } from "./problem-types.ts";
import { Problem } from "./problems.ts";

/** More of them would help nobody. */
const MAX_ERRORS = 20;

/**
 * Parses `input` by `schema`.
 *
 * @param says "code" where a message could repeat a part of the input that may be a password.
 * @throws Problem 400 that names each wrong place, and what is wrong there.
 */
export function validated<T>(
  schema: z.ZodType<T>,
  input: unknown,
  slug: ProblemSlug,
  detail: string,
  says: "message" | "code" = "message",
): T {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  const errors = parsed.error.issues
    .slice(0, MAX_ERRORS)
    .map((issue) => ({ path: issue.path.join("."), message: issue[says] ?? "invalid" }));
  throw new Problem(slug, detail, { members: { errors } });
}
