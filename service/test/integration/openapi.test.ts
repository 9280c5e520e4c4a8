/** openapi.json against what the service does. */
import { strict as assert } from "node:assert";
import { Router } from "express";
import { internalApp, publicApp, type AppParts } from "../../src/app.ts";
import { SCOPES } from "../../src/auth/principal.ts";
import { openApiDocument, OPERATIONS } from "../../src/openapi.ts";
import { addUser, bearer, loginTokens, startAuth } from "../support/auth.ts";
import type { Instance } from "../support/instance.ts";
import { pushEnvironment } from "../support/push-service.ts";
import { routesOf } from "../support/routes.ts";
import { testServers } from "../support/servers.ts";

type Schema = Record<string, unknown>;
interface Document {
  readonly openapi: string;
  readonly paths: Record<
    string,
    Record<
      string,
      {
        operationId: string;
        security?: unknown;
        parameters?: { name: string; in: string; required: boolean; schema: Schema }[];
        requestBody?: { content: Record<string, { schema: Schema }> };
        responses: Record<string, { content?: Record<string, { schema?: Schema }> }>;
      }
    >
  >;
}

function described(document: Document): string[] {
  return Object.entries(document.paths)
    .flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`))
    .filter((line) => !line.startsWith("HEAD "))
    .sort();
}

describe("openapi.json", function () {
  this.timeout(120_000);
  let instance: Instance;
  let parts: AppParts;
  let accessToken: string;
  const fetchDocument = async (url: string): Promise<Document> =>
    (await (await fetch(`${url}/api/openapi.json`)).json()) as Document;

  before(async function () {
    this.timeout(120_000);
    await testServers();
    instance = await startAuth("both", pushEnvironment, { onParts: (made) => (parts = made) });
    accessToken = (await loginTokens(instance, await addUser(SCOPES))).accessToken;
  });
  after(() => instance?.stop());

  it("describes every route that exists, and no other, on both ports", async () => {
    const publicRoutes = routesOf(() => publicApp(parts));
    assert.ok(publicRoutes.includes("POST /api/diag/client-reports"), publicRoutes.join("\n"));
    assert.deepEqual(described(await fetchDocument(instance.url)), publicRoutes);
    assert.deepEqual(
      described(await fetchDocument(instance.internalUrl)),
      routesOf(() => internalApp(parts)),
    );
  });

  it("would notice a route that nobody described", () => {
    const routes = routesOf(() => {
      const app = publicApp(parts);
      const inner = Router();
      inner.route("/more").put((_request, response) => void response.end());
      const outer = Router();
      outer.use("/inner", inner);
      app.use("/api/secret", outer);
      return app;
    });
    assert.ok(routes.includes("PUT /api/secret/inner/more"));
  });

  it("has the bounds that are checked, and unique operation ids", () => {
    const document = openApiDocument("public", "1") as unknown as Document;
    assert.equal(document.openapi, "3.1.0");
    const all = Object.values(document.paths).flatMap((methods) => Object.values(methods));
    assert.equal(new Set(all.map(({ operationId }) => operationId)).size, all.length);
    for (const each of all) assert.ok(Object.keys(each.responses).length > 0);
    const report = document.paths["/api/diag/client-reports"]?.post;
    const schema = report?.requestBody?.content["application/json"]?.schema as {
      required: string[];
      additionalProperties: boolean;
      properties: Record<string, Schema>;
    };
    assert.deepEqual(schema.required, ["client"]);
    assert.equal(schema.additionalProperties, false);
    assert.equal(schema.properties.client?.pattern, "^[A-Za-z0-9_-]{8,64}$");
    const event = document.paths["/api/events"]?.post?.requestBody?.content["application/json"]
      ?.schema as typeof schema;
    assert.deepEqual(event.required.sort(), ["data", "type"]);
    assert.deepEqual(event.properties.type?.not, { enum: ["open", "error", "reset", "hb", "bye"] });
    const limit = document.paths["/api/diag/connections"]?.get?.parameters?.find(
      ({ name }) => name === "limit",
    );
    assert.equal(limit?.required, false);
    assert.equal(limit?.schema.maximum, 500);
  });

  it("says which operations need a login, and how to show it, as the stack's mode has it", () => {
    const securityOf = (mode: "none" | "token" | "both", method: string, path: string): unknown =>
      (openApiDocument("public", "1", mode) as unknown as Document).paths[path]?.[method]?.security;
    const either = [{ bearer: [] }, { session: [] }];
    assert.deepEqual(securityOf("both", "post", "/api/events"), either);
    assert.deepEqual(securityOf("token", "post", "/api/events"), [{ bearer: [] }]);
    assert.deepEqual(securityOf("none", "post", "/api/events"), []);
    assert.deepEqual(securityOf("both", "get", "/api/events/poll"), [{}, ...either]);
    assert.deepEqual(securityOf("both", "post", "/api/auth/login"), []);
    for (const mode of ["none", "token", "both"] as const) {
      const { components } = openApiDocument("public", "1", mode) as {
        components: { securitySchemes: Record<string, unknown> };
      };
      const names = { none: [], token: ["bearer"], both: ["bearer", "session"] }[mode];
      assert.deepEqual(Object.keys(components.securitySchemes), names);
    }
  });

  it("is true: what needs a login is refused without one", async () => {
    for (const { path, method, login } of OPERATIONS.filter((operation) => operation.login === "required")) {
      const response = await fetch(`${instance.url}${path}`, { method });
      assert.deepEqual([response.status, login], [401, "required"], `${method} ${path}`);
      await response.arrayBuffer();
    }
  });

  it("describes the poll by what checks it, and its answer whole", async () => {
    const poll = (await fetchDocument(instance.url)).paths["/api/events/poll"]?.get;
    const bounds = (name: string): unknown[] => {
      const schema = poll?.parameters?.find((parameter) => parameter.name === name)?.schema;
      return [schema?.minimum, schema?.maximum];
    };
    assert.deepEqual(
      [bounds("limit"), bounds("wait")],
      [
        [1, 500],
        [0, 25],
      ],
    );
    for (const query of ["limit=0", "limit=501", "wait=26", "limit=1&limit=2", "limit[a]=1&wait=x"]) {
      assert.equal((await fetch(`${instance.url}/api/events/poll?${query}`)).status, 400, query);
    }
    const operation = OPERATIONS.find(({ path }) => path === "/api/events/poll");
    for (const query of ["limit=500&wait=0", "after=nonsense", "after=x&after=y", "after=aaaa-1-0"]) {
      const response = await fetch(`${instance.url}/api/events/poll?${query}`);
      assert.equal(response.status, 200, query);
      operation?.responses[200]?.schema?.parse(await response.json());
    }
  });

  it("is true: each GET answers a status, a type and a body as described", async () => {
    for (const { path, method, ports, responses } of OPERATIONS) {
      if (method !== "get" || path === "/api/events") continue;
      for (const port of ports) {
        const url = `${port === "public" ? instance.url : instance.internalUrl}${path}`;
        for (const asked of ["GET", "HEAD"]) {
          const response = await fetch(url, { method: asked });
          const answer = responses[response.status];
          assert.ok(answer, `${asked} ${url}: ${response.status} is not described`);
          const type = response.headers.get("content-type")?.split(";")[0];
          assert.equal(type, answer.contentType, url);
          assert.ok(response.headers.get("x-request-id"));
          const text = await response.text();
          if (asked === "HEAD") assert.equal(text, "");
          else if (type?.endsWith("json")) answer.schema?.parse(JSON.parse(text));
        }
      }
    }
  });

  it("is true: refusals are as described", async () => {
    const ask = (path: string, body: string, type = "application/json"): Promise<Response> =>
      fetch(`${instance.url}${path}`, {
        method: "POST",
        body,
        headers: { "content-type": type, ...bearer(accessToken) },
      });
    const posts = OPERATIONS.filter(({ method, body }) => method === "post" && body);
    // Alertmanager's is on the other port.
    for (const operation of posts.filter(({ ports }) => ports.includes("public"))) {
      const { path, responses } = operation;
      const answers = [
        await ask(path, "{"),
        await ask(path, "{}"),
        await ask(path, "{}", "text/plain"),
        await ask(path, "{}", "application/json; charset=nonsense"),
        await ask(path, JSON.stringify({ x: "x".repeat(100_000) })),
      ];
      for (const response of answers) {
        const answer = responses[response.status];
        assert.ok(answer, `POST ${path}: ${response.status} is not described`);
        assert.equal(response.headers.get("content-type")?.split(";")[0], "application/problem+json");
        answer.schema?.parse(await response.json());
      }
      assert.deepEqual(
        answers.map(({ status }) => status),
        [400, 400, 415, 415, 413],
      );
    }
    const bad = await fetch(`${instance.url}/api/diag/connections?limit=0&more=1`);
    assert.equal(bad.status, 400);
    assert.equal(((await bad.json()) as { errors: unknown[] }).errors.length, 2);
  });
});
