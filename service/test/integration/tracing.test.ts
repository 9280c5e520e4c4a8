/** Traces of requests, as a collector gets them by OTLP over HTTP. */
import { strict as assert } from "node:assert";
import { randomBytes } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { eventually, startInstance, type Instance } from "../support/instance.ts";

/** A span in OTLP's JSON (opentelemetry-proto, trace/v1). */
interface WireSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly attributes: readonly { readonly key: string; readonly value: Record<string, unknown> }[];
}

const [SERVER, CLIENT] = [2, 3];

describe("traces", function () {
  this.timeout(120_000);
  let collector: Server;
  let instance: Instance;
  const spans: WireSpan[] = [];
  let resource = "";
  /** How the collector answers, and how often it did not take what it was sent. */
  let status = 200;
  let refused = 0;
  const newId = (bytes: number): string => randomBytes(bytes).toString("hex");
  const ask = (path: string, traceparent?: string): Promise<Response> =>
    fetch(`${instance.url}${path}`, { headers: traceparent === undefined ? {} : { traceparent } });
  const [traceId, parent, unkept, canary] = [newId(16), newId(8), newId(16), `canary-${newId(8)}`];

  before(async function () {
    this.timeout(120_000);
    collector = createServer((request, response) => {
      let body = "";
      request.on("data", (part: Buffer) => (body += part.toString()));
      request.on("end", () => {
        assert.equal(request.url, "/v1/traces");
        const { resourceSpans } = JSON.parse(body) as {
          resourceSpans: { resource: object; scopeSpans: { spans: WireSpan[] }[] }[];
        };
        for (const { resource: of, scopeSpans } of resourceSpans) {
          resource = JSON.stringify(of);
          if (status === 200) spans.push(...scopeSpans.flatMap((scope) => scope.spans));
        }
        if (status !== 200) refused += 1;
        response.writeHead(status, { "content-type": "application/json" }).end("{}");
      });
    });
    await new Promise<void>((resolve) => collector.listen(0, "127.0.0.1", resolve));
    const endpoint = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`;
    instance = await startInstance({ OMNIAI_OTLP_ENDPOINT: endpoint });
    // All at once, because spans are sent together.
    assert.equal((await ask("/api/diag", `00-${traceId}-${parent}-01`)).status, 200);
    await ask("/api/diag", `00-${unkept}-${newId(8)}-00`);
    await ask("/readyz");
    await fetch(`${instance.url}/api/events`, {
      method: "POST",
      headers: {
        ...{ "content-type": "application/json", authorization: `Bearer ${canary}` },
        "idempotency-key": canary,
      },
      body: JSON.stringify({ type: "canary", data: canary }),
    });
    await ask("/api/nothing");
    await eventually("the last one's span", () => spans.some(({ name }) => name === "GET unmatched"));
  });
  after(async () => {
    await instance?.stop();
    collector?.closeAllConnections();
    collector?.close();
  });

  it("go on from the client's span to PostgreSQL's and Redis' calls, by one id", () => {
    const own = spans.filter((span) => span.traceId === traceId);
    const root = own.find(({ kind }) => kind === SERVER);
    assert.equal(root?.name, "GET /api/diag");
    assert.equal(root.parentSpanId, parent);
    const calls = own.filter(({ kind }) => kind === CLIENT);
    for (const system of ["PostgreSQL", "Redis"])
      assert.ok(
        calls.some(({ name, parentSpanId }) => name.startsWith(system) && parentSpanId === root.spanId),
        `${system} is not among ${calls.map(({ name }) => name).join(", ")}`,
      );
    assert.match(resource, /"service\.name".*"omniai"/);
  });

  it("begin with the request where the client has none, and leave out probes and what the replica asks for itself", () => {
    const requests = spans.filter(({ kind }) => kind === SERVER);
    assert.deepEqual(requests.map(({ name }) => name).sort(), [
      "GET /api/diag",
      "GET unmatched",
      "POST /api/events",
    ]);
    const ids = new Set(requests.map((span) => span.traceId));
    assert.ok(spans.every((span) => ids.has(span.traceId)));
  });

  it("are not kept where the client says so", () => {
    assert.ok(!spans.some((span) => span.traceId === unkept));
  });

  it("hold no values: neither of queries nor of commands", () => {
    assert.ok(!JSON.stringify(spans).includes(canary));
  });

  it("cost no answer where the collector fails", async () => {
    status = 503;
    const asked = async (): Promise<void> =>
      assert.equal((await ask("/api/diag/health-summary")).status, 200);
    for (let n = 0; n < 20; n += 1) await asked();
    await eventually("a collector that took nothing", () => refused > 0);
    await asked();
  });
});
