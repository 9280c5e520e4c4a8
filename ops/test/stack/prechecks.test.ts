/** What would make an update fail half-way. */
import { strict as assert } from "node:assert";
import { createServer, type AddressInfo } from "node:net";
import type { VolumeView } from "../../engine/volumes.ts";
import { publisherOf, tryPort, unknownVolumes } from "../../stack/prechecks.ts";
import { types, type State } from "../../stack/state.ts";
import { urn } from "../support/state.ts";

describe("data volumes", () => {
  const volume = (name: string, data = true): VolumeView => ({ name, data, mountpoint: "/" });
  const known: State = {
    resources: [
      { urn: urn("v", types.volume), type: types.volume, inputs: { name: "a" }, outputs: { name: "a" } },
    ],
    pending_operations: [
      {
        type: "creating",
        resource: { urn: urn("w", types.volume), type: types.volume, inputs: { name: "b" } },
      },
    ],
  };

  it("are unknown when neither the state nor an interrupted creation has them", () => {
    const unknown = unknownVolumes([volume("a"), volume("b"), volume("c"), volume("files", false)], known);
    assert.deepEqual(
      unknown.map(({ name }) => name),
      ["c"],
    );
  });
});

describe("ports", () => {
  const edge = { name: "edge", stack: "dev", ports: [{ address: "127.0.0.1", port: 8080 }] };
  const all = { name: "all", ports: [{ address: "0.0.0.0", port: 9090 }] };

  it("collide on the same address or on every address", () => {
    assert.equal(publisherOf([edge, all], "127.0.0.1", 8080), edge);
    assert.equal(publisherOf([edge, all], "127.0.0.1", 9090), all);
    assert.equal(publisherOf([edge, all], "0.0.0.0", 8080), edge);
    assert.equal(publisherOf([edge], "192.0.2.1", 8080), undefined);
    assert.equal(publisherOf([edge], "127.0.0.1", 8081), undefined);
  });

  it("are tried by listening on them", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    assert.equal(await tryPort("127.0.0.1", port), "EADDRINUSE");
    await new Promise((resolve) => server.close(resolve));
    assert.equal(await tryPort("127.0.0.1", port), undefined);
    assert.equal(await tryPort("192.0.2.1", port), "EADDRNOTAVAIL");
  });
});
