/** What is said of an edge that turns visitors away. */
import { strict as assert } from "node:assert";
import { memoryForReplicas } from "../../../infra/components/edge/memory.ts";
import { describeEdgeRoom } from "../../stack/edge-room.ts";

describe("the room of the edge", () => {
  it("is told where a limit of the owner's holds fewer clients than the replicas accept streams, with what would do", () => {
    const line = describeEdgeRoom({ edgeMemory: 192, backendReplicas: 2 }) ?? "";
    const [, memory, clients, streams, enough] =
      /edgeMemory (\d+) the edge has room for (\d+) clients.* accept (\d+) streams.* set it to (\d+) /.exec(
        line,
      ) ?? [];
    assert.deepEqual([memory, streams], ["192", "5000"]);
    assert.ok(Number(clients) < 5000);
    assert.equal(describeEdgeRoom({ edgeMemory: Number(enough), backendReplicas: 2 }), undefined);
  });

  it("is not told where there is enough, where more replicas than an edge has room for are, or where the limit is not known", () => {
    for (const backendReplicas of [1, 3, 4, 16])
      assert.equal(describeEdgeRoom({ edgeMemory: memoryForReplicas(4), backendReplicas }), undefined);
    assert.equal(describeEdgeRoom({ backendReplicas: 2 }), undefined);
    assert.equal(describeEdgeRoom({ edgeMemory: 192 }), undefined);
    assert.equal(describeEdgeRoom({ edgeMemory: 192, backendReplicas: 2, platform: "swarm" }), undefined);
  });
});
