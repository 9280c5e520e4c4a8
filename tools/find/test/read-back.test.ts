/** What the plugins read back is known for every property that a workload sets. */
import { strict as assert } from "node:assert";
import { planContainer } from "../../../infra/workload.ts";
import { readBack } from "./support/read-back.ts";

describe("the table of what is read back", () => {
  it("has every property that a workload's container is given", () => {
    const planned = planContainer("dev", "edge", 1, {
      engine: undefined as never,
      kind: "singleton",
      image: "sha256:1",
      entrypoint: ["a"],
      command: ["b"],
      user: "1:1",
      environment: { A: "1" },
      networks: ["app"],
      ports: [{ internal: 1, external: 1, address: "127.0.0.1" }],
      volumes: [{ volume: "v", path: "/v" }],
      tmpfs: { "/tmp": "size=1m" },
      health: { command: ["true"] },
      memory: 64,
      cpus: "1",
      pids: 1,
      sharedMemory: 64,
      stopGrace: 1,
      stopSignal: "SIGTERM",
      configHash: "1",
    });
    const tables = readBack({ run: "r", ports: [1, 2], imageId: "sha256:1", network: "n" });
    const table = tables["docker:index/container:Container::complete"] ?? {};
    // A command sets the limit of processes: the provider has no property for it.
    const missing = Object.keys(planned).filter((key) => key !== "pidsLimit" && !(key in table));
    assert.deepEqual(missing, []);
  });
});
