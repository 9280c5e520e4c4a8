/** openapi.json, made from the schemas that validate. */
import { Router } from "express";
import { z } from "zod";
import type { AuthMode } from "./platform/env/schema.ts";
import { COOKIE_NAME } from "./auth/credentials/cookies.ts";
import { AUTH_OPERATIONS } from "./auth/http/openapi.ts";
import { DIAG_OPERATIONS } from "./diag/openapi.ts";
import { HEALTH_OPERATIONS } from "./health/openapi.ts";
import { methodNotAllowed } from "./platform/problems.ts";
import { REPORT_OPERATIONS } from "./reports/openapi.ts";
import { PUSH_OPERATIONS } from "./push/http/openapi.ts";
import { EVENT_OPERATIONS } from "./events/http/openapi.ts";
import { jsonAnswer, problem, retryAfter, type Answer, type Operation } from "./platform/operation.ts";

export type Port = "public" | "internal";
type Json = Record<string, unknown>;

const META_OPERATIONS: readonly Operation[] = [
  {
    method: "get",
    path: "/api/openapi.json",
    ports: ["public", "internal"],
    tag: "meta",
    summary: "This description",
    responses: { 200: jsonAnswer("OpenAPI 3.1.", z.looseObject({ openapi: z.string() })) },
  },
  {
    method: "get",
    path: "/metrics",
    ports: ["internal"],
    tag: "meta",
    summary: "Metrics in Prometheus' text format",
    responses: { 200: { description: "The metrics.", contentType: "text/plain", schema: z.string() } },
  },
];

/** Every request to /api except streams may get this. */
const limited = { 429: problem("Too many requests of this address.", retryAfter) };
const withLimit = (operation: Operation): Operation =>
  operation.path.startsWith("/api/") && !(operation.path === "/api/events" && operation.method === "get")
    ? { ...operation, responses: { ...limited, ...operation.responses } }
    : operation;

/** Everything that the service serves. A test compares it with the routes. */
export const OPERATIONS: readonly Operation[] = [
  ...HEALTH_OPERATIONS,
  ...AUTH_OPERATIONS,
  ...DIAG_OPERATIONS,
  ...REPORT_OPERATIONS,
  ...EVENT_OPERATIONS,
  ...PUSH_OPERATIONS,
  ...META_OPERATIONS,
].map(withLimit);

/** The paths that exist. They are the values of the metrics' label `route`. */
export const ROUTE_TEMPLATES: readonly string[] = [...new Set(OPERATIONS.map(({ path }) => path))];

const onEveryAnswer = { "X-Request-Id": "The request's id: the one that was sent, if it was well-formed." };

const bearerScheme = {
  bearer: {
    type: "http",
    scheme: "bearer",
    description: "An access token of /api/auth/login or /api/auth/refresh, or a personal API token.",
  },
};
const sessionScheme = {
  session: {
    type: "apiKey",
    in: "cookie",
    name: COOKIE_NAME,
    description:
      "Set by /api/auth/login. A request that changes something also needs an origin and the header X-CSRF-Token.",
  },
};

/** How a client identifies itself in each mode. */
const schemesOf: Readonly<Record<AuthMode, Readonly<Record<string, Json>>>> = {
  none: {},
  session: sessionScheme,
  token: bearerScheme,
  both: { ...bearerScheme, ...sessionScheme },
};

/** Any one of these is enough; `{}` stands for no credential. */
function securityOf({ login }: Operation, mode: AuthMode): Json[] {
  const schemes = Object.keys(schemesOf[mode]).map((name) => ({ [name]: [] }));
  if (login === undefined || schemes.length === 0) return [];
  return login === "required" ? schemes : [{}, ...schemes];
}

/** Describes what one port serves in a stack of this mode, as OpenAPI 3.1. */
export function openApiDocument(port: Port, version: string, mode: AuthMode = "both"): Json {
  const paths: Record<string, Json> = {};
  const schemas: Json = {};
  for (const operation of OPERATIONS) {
    if (!operation.ports.includes(port)) continue;
    const path = (paths[operation.path] ??= {});
    const described = { ...describe(operation, schemas), security: securityOf(operation, mode) };
    path[operation.method] = described;
    // Express answers HEAD wherever it answers GET.
    if (operation.method === "get") path.head = describeHead(operation, described);
  }
  return {
    openapi: "3.1.0",
    info: {
      title: `OmniAI service, ${port} port`,
      version,
      description: "Errors are application/problem+json (RFC 9457); a client branches on their `type`.",
    },
    paths,
    components: { schemas, securitySchemes: port === "public" ? schemesOf[mode] : {} },
  };
}

/** GET /api/openapi.json. It is made once, because it does not change while the process runs. */
export function openApiRouter(port: Port, version: string, mode: AuthMode): Router {
  const text = JSON.stringify(openApiDocument(port, version, mode));
  const router = Router();
  router
    .route("/api/openapi.json")
    .get((_request, response) => {
      response.set("Cache-Control", "no-cache").type("application/json").send(text);
    })
    .all(methodNotAllowed("GET", "HEAD", "OPTIONS"));
  return router;
}

/** @param schemas receives the schemas that have a name. */
function describe(operation: Operation, schemas: Json): Json {
  const { summary, description, tag, body, query, headers } = operation;
  const parameters = [...parametersOf("query", query, schemas), ...parametersOf("header", headers, schemas)];
  return {
    operationId: operationId(operation),
    tags: [tag],
    summary,
    description,
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(body
      ? {
          requestBody: {
            required: true,
            description: body.description,
            content: { "application/json": { schema: toSchema(body.schema, "input", schemas) } },
          },
        }
      : {}),
    responses: Object.fromEntries(
      Object.entries(operation.responses).map(([status, answer]) => [
        status,
        describeAnswer(answer, schemas),
      ]),
    ),
  };
}

function describeHead(operation: Operation, described: Json): Json {
  const { requestBody: _, responses, ...rest } = described;
  const withoutContent = Object.entries(responses as Record<string, Json>).map(
    ([status, { content: _content, ...answer }]) => [status, answer],
  );
  return {
    ...rest,
    operationId: `${operationId(operation)}Head`,
    responses: Object.fromEntries(withoutContent) as Json,
  };
}

function describeAnswer({ description, contentType, schema, headers = {} }: Answer, schemas: Json): Json {
  const all = Object.entries({ ...onEveryAnswer, ...headers });
  return {
    description,
    headers: Object.fromEntries(
      all.map(([name, text]) => [
        name,
        { description: text, schema: { type: name === "Retry-After" ? "integer" : "string" } },
      ]),
    ),
    ...(contentType
      ? { content: { [contentType]: schema ? { schema: toSchema(schema, "output", schemas) } : {} } }
      : {}),
  };
}

function parametersOf(place: "query" | "header", schema: z.ZodObject | undefined, schemas: Json): Json[] {
  if (!schema) return [];
  const { properties = {}, required = [] } = toSchema(schema, "input", schemas) as {
    properties?: Record<string, Json>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, { description, ...rest }]) => ({
    name,
    in: place,
    required: required.includes(name),
    description,
    schema: rest,
  }));
}

function toSchema(schema: z.ZodType, io: "input" | "output", schemas: Json): Json {
  const { $schema: _, $defs, ...rest } = z.toJSONSchema(schema, { io }) as Json;
  // A reference starts at the top of the document, not of its own schema.
  const rebased = (part: unknown): Json =>
    JSON.parse(JSON.stringify(part ?? {}).replaceAll("#/$defs/", "#/components/schemas/")) as Json;
  Object.assign(schemas, rebased($defs));
  return rebased(rest);
}

/** `getApiDiag` for GET /api/diag. */
function operationId({ method, path }: Operation): string {
  const words = path.split(/[^A-Za-z0-9]+/).filter((word) => word !== "");
  return method + words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join("");
}
