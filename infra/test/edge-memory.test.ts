/** How the edge's memory is divided, and that the defaults hold what the replicas accept; test/e2e/edge-memory.test.ts fills a real one. */
import { strict as assert } from "node:assert";
import fc from "fast-check";
import { loadConfig } from "../../service/src/platform/env/config.ts";
import {
  LEAST_MIB,
  limitScript,
  memoryForReplicas,
  MOST_CLIENT_CONNECTIONS,
  planEdgeMemory,
  STREAMS_PER_REPLICA,
  WORKERS,
} from "../components/edge/memory.ts";
import { renderNginx } from "../components/edge/nginx.ts";
import { defaults } from "./defaults.ts";
import { edge } from "./support/edge.ts";
import { CONTAINER, record } from "./support/recorder.ts";

const limits = fc.integer({ min: 32, max: 65_536 });

describe("planEdgeMemory", () => {
  it("lets the processes of two configurations together take no more than the limit, with the shared parts beside them", () => {
    fc.assert(
      fc.property(limits, (limit) => {
        const { processData, workerConnections, limit: taken } = planEdgeMemory(limit);
        const all = 2 * WORKERS * (processData + 3 * workerConnections) + 72 * 1024;
        assert.ok(all <= taken * 1024, `${all} KiB of ${taken} MiB`);
      }),
    );
  });

  it("leaves room beside the connections for each zone, for two checks of a configuration, and for the programs beside nginx", () => {
    const text = renderNginx(edge);
    const zones = [...text.matchAll(/(?:zone=\w+:|shared:\w+:|^ *zone \w+ )(\d+)([km])\b/gm)].map(
      ([, size, unit]) => Number(size) / (unit === "k" ? 1024 : 1),
    );
    assert.equal(zones.length, 6);
    const processes = 2 * WORKERS + 1;
    const [each, programs] = [8, 12];
    const needed = zones.reduce((sum, zone) => sum + zone, 0) + (processes + 2) * each + programs;
    assert.ok(needed <= memoryForReplicas(0), `${needed} MiB of ${memoryForReplicas(0)}`);
  });

  it("takes more connections with more memory, from some hundreds up to 8192 a worker", () => {
    fc.assert(
      fc.property(limits, limits, (one, other) => {
        const [less, more] = [Math.min(one, other), Math.max(one, other)].map(planEdgeMemory);
        assert.ok(less && more && less.workerConnections <= more.workerConnections);
      }),
    );
    assert.ok(planEdgeMemory(32).workerConnections >= 256);
    assert.equal(planEdgeMemory(32).limit, LEAST_MIB);
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
    const most = Math.ceil(MOST_CLIENT_CONNECTIONS / STREAMS_PER_REPLICA);
    assert.equal(defaults["edgeMemory"], memoryForReplicas(most));
    for (let replicas = 1; replicas <= most; replicas += 1) {
      const { clients } = planEdgeMemory(memoryForReplicas(replicas));
      assert.ok(clients >= Math.min(replicas * STREAMS_PER_REPLICA, MOST_CLIENT_CONNECTIONS), `${replicas}`);
    }
  });

  it("does not follow the replicas: scaling them leaves the edge as it is", async () => {
    const edges = [];
    for (const backendReplicas of [1, 2, 3, 16]) {
      const stack = await record("dev", { backendReplicas });
      edges.push(stack.of(CONTAINER).filter(({ inputs }) => inputs["name"] === "omniai-dev-edge"));
    }
    assert.equal(edges[0]?.length, 1);
    for (const edge of edges.slice(1)) assert.deepEqual(edge, edges[0]);
  });

  it("is what is said, where something is said; what is too little is raised", () => {
    assert.equal(planEdgeMemory(300).limit, 300);
    assert.equal(planEdgeMemory(32).limit, LEAST_MIB);
  });
});
