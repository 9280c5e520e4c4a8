/** How a feature describes its routes for openapi.json. */
import { z } from "zod";
import { allProblemTypes, PROBLEM_URN } from "./problem-types.ts";

/** One method of one path, as a feature describes it. `openapi.ts` makes openapi.json from all of them. */
export interface Operation {
  readonly method: "get" | "post" | "delete";
  readonly path: string;
  /** Where it is served. */
  readonly ports: readonly ("public" | "internal")[];
  readonly summary: string;
  readonly description?: string;
  readonly tag: "health" | "diagnostics" | "events" | "auth" | "push" | "meta";
  /** The parameters of the query. The schema says which are optional. */
  readonly query?: z.ZodObject;
  readonly headers?: z.ZodObject;
  /**
   * Whether it is for known users, in stacks that have logins at all. `optional` shows them more, `required` is for them
   * alone. When it is left out, nobody is asked who they are.
   */
  readonly login?: "optional" | "required";
  readonly body?: { readonly schema: z.ZodType; readonly description?: string };
  /** By status. */
  readonly responses: Readonly<Record<number, Answer>>;
}

export interface Answer {
  readonly description: string;
  readonly contentType?: string;
  readonly schema?: z.ZodType;
  readonly headers?: Readonly<Record<string, string>>;
}

/** In Markdown, which OpenAPI's descriptions are. */
function describeTypes(): string {
  const lines = Object.entries(allProblemTypes).map(
    ([slug, { status, when }]) => `- \`${PROBLEM_URN}${slug}\` (${status}): ${when}`,
  );
  return ["Stable: what a client branches on.", "", ...lines].join("\n");
}

export const problemSchema = z
  .looseObject({
    type: z.enum(Object.keys(allProblemTypes).map((slug) => PROBLEM_URN + slug)).describe(describeTypes()),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    requestId: z.string(),
    errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
  })
  .meta({ id: "Problem" });

export function problem(description: string, headers?: Answer["headers"]): Answer {
  return { description, contentType: "application/problem+json", schema: problemSchema, headers };
}

/** For every operation that may come with a bearer token. */
export const badToken = problem("The bearer token is not valid.");

export const retryAfter = { "Retry-After": "Seconds after which to try again." };

export const jsonAnswer = (description: string, schema: z.ZodType): Answer => ({
  description,
  contentType: "application/json",
  schema,
});
