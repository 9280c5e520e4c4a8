/** What /api/auth takes and answers. */
import { z } from "zod";
import { showableText } from "../../platform/showable-text.ts";
import { validated } from "../../platform/validate.ts";
import { AUTH_MODES } from "../../platform/env/schema.ts";
import { MAX_PASSWORD_LENGTH } from "../credentials/passwords.ts";
import { SCOPES } from "../principal.ts";
import { refreshTokenPattern } from "../stores/refresh-tokens.ts";

const scopeList = z
  .array(z.enum(SCOPES))
  .min(1)
  .max(SCOPES.length)
  .refine((list) => new Set(list).size === list.length, "each once")
  // What openapi.json says of it: a refinement is code.
  .meta({ uniqueItems: true });

export const loginSchema = z.strictObject({
  username: z.string().min(1).max(64),
  password: z.string().min(1).max(MAX_PASSWORD_LENGTH),
  kind: z
    .enum(["session", "token"])
    .optional()
    .describe("session sets a cookie, token answers with tokens. Left out: session where the mode has it."),
});

export const refreshSchema = z.strictObject({ refreshToken: z.string().regex(refreshTokenPattern) });

export const newTokenSchema = z.strictObject({
  name: showableText(100).describe("What it is for."),
  scopes: scopeList.describe("Some of the user's own."),
  days: z.int().min(1).max(366).default(90).describe("Until it ends."),
});

export const tokenQuerySchema = z.strictObject({ id: z.uuid() });

const time = z.iso.datetime();
const userSchema = z.strictObject({ id: z.uuid(), name: z.string() });

export const checkSchema = z.discriminatedUnion("authenticated", [
  z.strictObject({ authenticated: z.literal(false), mode: z.enum(AUTH_MODES) }),
  z.strictObject({
    authenticated: z.literal(true),
    mode: z.enum(AUTH_MODES),
    via: z.enum(["session", "access", "token"]),
    user: userSchema,
    scopes: z.array(z.enum(SCOPES)),
    expiresAt: time.describe("When the credential ends, however much it is used."),
    idleExpiresAt: time.optional().describe("When the session ends without further use."),
  }),
]);

export const csrfSchema = z.strictObject({ csrfToken: z.string() });

export const tokensSchema = z.strictObject({
  tokenType: z.literal("Bearer"),
  accessToken: z.string(),
  expiresIn: z.int().describe("Seconds."),
  refreshToken: z.string().describe("Good for one refresh; the answer to that has the next."),
  refreshExpiresAt: time,
  user: userSchema,
  scopes: z.array(z.enum(SCOPES)),
});

export const loggedInSchema = z.union([
  z.strictObject({
    user: userSchema,
    scopes: z.array(z.enum(SCOPES)),
    csrfToken: z.string(),
    expiresAt: time,
    idleExpiresAt: time,
  }),
  tokensSchema,
]);

export const apiTokenSchema = z.strictObject({
  id: z.uuid(),
  name: z.string(),
  scopes: z.array(z.enum(SCOPES)),
  createdAt: time,
  expiresAt: time,
  lastUsedAt: time.nullable().describe("To the minute."),
});
export const createdTokenSchema = apiTokenSchema.extend({
  token: z.string().describe("Shown this once."),
});
export const tokenListSchema = z.strictObject({ tokens: z.array(apiTokenSchema) });

/** @throws Problem 400 that names what is wrong, and never a value: it may be a password. */
export function parseBody<T>(schema: z.ZodType<T>, body: unknown): T {
  return validated(schema, body, "invalid-request", "The request is not valid.", "code");
}
