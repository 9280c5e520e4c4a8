import { Router } from "express";
import { z } from "zod";
import { diagOperations } from "../diag/openapi.ts";
import { healthOperations } from "../health/openapi.ts";
import { methodNotAllowed } from "../platform/problem.ts";
import { reportOperations } from "../reports/openapi.ts";
import { eventOperations } from "./events.ts";
import { jsonAnswer, type Answer, type Operation } from "./operation.ts";

export type Port = "public" | "internal";
type Json = Record<string, unknown>;

const metaOperations: readonly Operation[] = [
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

/** Everything that the service serves. A test walks the routes and compares. */
export const operations: readonly Operation[] = [
  ...healthOperations,
  ...diagOperations,
  ...reportOperations,
  ...eventOperations,
  ...metaOperations,
];

/** The paths that exist: the values of the metrics' label `route`. */
export const routeTemplates: readonly string[] = [...new Set(operations.map(({ path }) => path))];

const onEveryAnswer = { "X-Request-Id": "The request's id: the one that was sent, if it is well-formed." };

/** What one port serves, as OpenAPI 3.1, made from the schemas that validate. */
export function openApiDocument(port: Port, version: string): Json {
  const paths: Record<string, Json> = {};
  for (const operation of operations) {
    if (!operation.ports.includes(port)) continue;
    const path = (paths[operation.path] ??= {});
    path[operation.method] = describe(operation);
    // Express answers HEAD wherever it answers GET.
    if (operation.method === "get") path.head = describeHead(operation);
  }
  return {
    openapi: "3.1.0",
    info: {
      title: `OmniAI service, ${port} port`,
      version,
      description: "Errors are application/problem+json (RFC 9457); a client branches on their `type`.",
    },
    paths,
  };
}

/** GET /api/openapi.json; made once, it does not change while the process runs. */
export function openApiRouter(port: Port, version: string): Router {
  const text = JSON.stringify(openApiDocument(port, version));
  const router = Router();
  router
    .route("/api/openapi.json")
    .get((_request, response) => {
      response.set("Cache-Control", "no-cache").type("application/json").send(text);
    })
    .all(methodNotAllowed("GET", "HEAD", "OPTIONS"));
  return router;
}

function describe(operation: Operation): Json {
  const { summary, description, tag, body, query, headers } = operation;
  const parameters = [...parametersOf("query", query), ...parametersOf("header", headers)];
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
            content: { "application/json": { schema: toSchema(body.schema, "input") } },
          },
        }
      : {}),
    responses: Object.fromEntries(
      Object.entries(operation.responses).map(([status, answer]) => [status, describeAnswer(answer)]),
    ),
  };
}

function describeHead(operation: Operation): Json {
  const { requestBody: _, responses, ...rest } = describe(operation);
  const withoutContent = Object.entries(responses as Record<string, Json>).map(
    ([status, { content: _content, ...answer }]) => [status, answer],
  );
  return {
    ...rest,
    operationId: `${operationId(operation)}Head`,
    responses: Object.fromEntries(withoutContent) as Json,
  };
}

function describeAnswer({ description, contentType, schema, headers = {} }: Answer): Json {
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
      ? { content: { [contentType]: schema ? { schema: toSchema(schema, "output") } : {} } }
      : {}),
  };
}

function parametersOf(place: "query" | "header", schema: z.ZodObject | undefined): Json[] {
  if (!schema) return [];
  const { properties = {}, required = [] } = toSchema(schema, "input") as {
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

function toSchema(schema: z.ZodType, io: "input" | "output"): Json {
  const { $schema: _, id: _id, ...rest } = z.toJSONSchema(schema, { io }) as Json;
  return rest;
}

/** `getApiDiag` for GET /api/diag. */
function operationId({ method, path }: Operation): string {
  const words = path.split(/[^A-Za-z0-9]+/).filter((word) => word !== "");
  return method + words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join("");
}
