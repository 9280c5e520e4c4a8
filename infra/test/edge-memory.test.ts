/** How the edge's memory is divided, and that the defaults hold what the replicas accept; test/e2e/edge-memory.test.ts fills a real one. */
import { strict as assert } from "node:assert";
import fc from "fast-check";
import { loadConfig } from "../../service/src/platform/env/config.ts";
import { edgeMemoryOf } from "../components/edge/config.ts";
import {
  limitScript,
  memoryForReplicas,
  MOST_CLIENT_CONNECTIONS,
  planEdgeMemory,
  STREAMS_PER_REPLICA,
  WORKERS,
} from "../components/edge/memory.ts";
import { renderNginx } from "../components/edge/nginx.ts";
import { configSchema } from "../config/schema.ts";
import { defaults } from "./defaults.ts";
import { edge } from "./support/edge.ts";

const limits = fc.integer({ min: 32, max: 65_536 });

describe("planEdgeMemory", () => {
  it("lets the processes of two configurations together take no more than the limit, with the shared parts beside them", () => {
    fc.assert(
      fc.property(limits, (limit) => {
        const { processData, workerConnections, limit: taken } = planEdgeMemory(limit);
        const all = 2 * WORKERS * (processData + 3 * workerConnections) + 48 * 1024;
        assert.ok(all <= taken * 1024, `${all} KiB of ${taken} MiB`);
      }),
    );
  });

  it("takes more connections with more memory, from some hundreds up to 8192 a worker", () => {
    fc.assert(
      fc.property(limits, limits, (one, other) => {
        const [less, more] = [Math.min(one, other), Math.max(one, other)].map(planEdgeMemory);
        assert.ok(less && more && less.workerConnections <= more.workerConnections);
      }),
    );
    assert.ok(planEdgeMemory(32).workerConnections >= 256);
    assert.equal(planEdgeMemory(32).limit, 128);
    assert.equal(planEdgeMemory(65_536).workerConnections, 8192);
    assert.equal(planEdgeMemory(65_536).clients, MOST_CLIENT_CONNECTIONS);
  });

  it("is what nginx and its shell are told", () => {
    const { workerConnections, processData } = planEdgeMemory(512);
    const text = renderNginx({ ...edge, memory: 512 });
    assert.match(text, new RegExp(`worker_connections ${workerConnections};`));
    assert.match(text, new RegExp(`worker_rlimit_nofile ${2 * workerConnections};`));
    assert.equal(limitScript(512), `ulimit -d ${processData}\n`);
  });
});

describe("the default memory of the edge", () => {
  it("has room for all streams that the replicas accept, up to what an edge has at most", () => {
    assert.equal(loadConfig({}).events.maxStreams, STREAMS_PER_REPLICA);
    assert.equal(defaults["edgeMemory"], 0);
    for (let replicas = 1; replicas <= 16; replicas += 1) {
      const memory = edgeMemoryOf({ edgeMemory: 0, backendReplicas: replicas });
      assert.equal(memory, memoryForReplicas(replicas));
      const { clients } = planEdgeMemory(memory);
      assert.ok(clients >= Math.min(replicas * STREAMS_PER_REPLICA, MOST_CLIENT_CONNECTIONS), `${replicas}`);
    }
  });

  it("is what is said, where something is said; what is too little is raised", () => {
    assert.equal(edgeMemoryOf({ edgeMemory: 300, backendReplicas: 2 }), 300);
    assert.equal(edgeMemoryOf({ edgeMemory: 32, backendReplicas: 2 }), 128);
    const { edgeMemory } = configSchema.shape;
    for (const good of [0, 32, 65_536]) assert.ok(edgeMemory.safeParse(good).success, `${good}`);
    for (const bad of [-1, 1, 31, 65_537, 100.5]) assert.ok(!edgeMemory.safeParse(bad).success, `${bad}`);
  });
});
