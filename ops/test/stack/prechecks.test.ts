/** What would make an update fail half-way. */
import { strict as assert } from "node:assert";
import { createServer, type AddressInfo } from "node:net";
import type { VolumeView } from "../../engine/volumes.ts";
import { publisherOf, refuseRunnersEngine, tryPort, unknownVolumes } from "../../stack/prechecks.ts";
import type { KnownConfig } from "../../stack/settings.ts";
import { types, type State } from "../../stack/state.ts";
import { urn } from "../support/state.ts";

describe("data volumes", () => {
  const volume = (name: string, data = true): VolumeView => ({
    name,
    data,
    workload: "postgres",
    mountpoint: "/",
  });
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
    const all = [volume("a"), volume("b"), volume("c"), volume("files", false)];
    const unknown = (state: State): string[] => unknownVolumes(all, state, "dev").map(({ name }) => name);
    assert.deepEqual(unknown(known), ["c"]);
    const identity = { urn: urn("omniai-dev-postgres-identity", types.uuid), type: types.uuid };
    assert.deepEqual(unknown({ resources: [identity] }), [], "a refresh drops a volume that was away");
  });
});

describe("a CI runner", () => {
  const on = (stack: string, config: KnownConfig, env: NodeJS.ProcessEnv = { CI: "true" }): void =>
    refuseRunnersEngine(stack, config, env);

  it("deploys no stack to its own engine, unless the stack names that one or is for development", () => {
    for (const CI of ["true", "1"])
      assert.throws(() => on("prod", { dockerHost: "" }, { CI }), /names no Docker engine.*CI runner/);
    assert.throws(() => on("other", { dockerHost: "", environment: "staging" }), /CI runner/);
    on("prod", { dockerHost: "ssh://deploy@host" });
    on("prod", { dockerHost: "unix:///var/run/docker.sock" });
    on("dev", { dockerHost: "", environment: "" });
    on("prod", { dockerHost: "" }, {});
    on("prod", { dockerHost: "" }, { CI: "false" });
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
