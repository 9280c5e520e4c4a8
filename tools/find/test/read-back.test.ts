/** What the plugins read back is known for every property that a workload sets. */
import { strict as assert } from "node:assert";
import { EXTERNAL_SECRETS, externalOffsiteConfig } from "../../../infra/test/support/external-config.ts";
import { isSecret, record } from "../../../infra/test/support/recorder.ts";
import { ownerValues, stackFile } from "../../../infra/test/support/stack-file.ts";
import { SWARM_SECRETS, swarmConfig } from "../../../infra/test/support/swarm-config.ts";
import { SECRETS } from "../../../infra/test/support/tunnel-config.ts";
import { planContainer } from "../../../infra/workload.ts";
import { readBack } from "./support/read-back.ts";
import { readBackSwarm } from "./support/read-back-swarm.ts";

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

  it("has every property that a stack gives the docker plugin, at any depth", async function () {
    this.timeout(60_000);
    const tables = [
      ...Object.entries(readBack({ run: "r", ports: [1, 2], imageId: "sha256:1", network: "n" })),
      ...Object.entries(readBackSwarm({ image: "i", network: "n", secret: "s", config: "c" })),
    ];
    const known = new Set(tables.flatMap(([key, table]) => [...pathsOf(table)].map((path) => at(key, path))));
    const missing = new Set<string>();
    for (const [stack, config, secrets] of [
      ["dev", stackFile("dev"), []],
      ["prod", { ...stackFile("prod"), ...ownerValues["prod"] }, SECRETS],
      ["dev", { bindAddressIpv6: "2001:db8::7", monitoring: "always" }, []],
      ["prod", externalOffsiteConfig, [...EXTERNAL_SECRETS, "offsiteSecretKey", "offsiteKey"]],
      ["swarm", { ...swarmConfig, overlayEncrypted: false }, SWARM_SECRETS],
    ] as const) {
      const { resources } = await record(stack, config, secrets);
      for (const { type, inputs } of resources.filter((one) => one.type.startsWith("docker:"))) {
        const set = [...pathsOf(inputs)].map((path) => at(type, path));
        set.filter((path) => !known.has(path)).forEach((path) => missing.add(path));
      }
    }
    assert.deepEqual([...missing].sort(), []);
  });
});

/** A property of a type; what a table is of has a name after its type. */
const at = (key: string, path: string): string => `${key.replace(/(?<=[a-z])::.*/i, "")} ${path}`;

/** The properties whose keys are the program's own. */
const maps = new Set(["tmpfs", "logOpts", "options", "env", "triggers", "buildArgs"]);

/** The paths of all properties that have a value, without the indexes of lists. */
function* pathsOf(value: unknown, path: readonly string[] = []): Generator<string> {
  if (value === undefined) return;
  if (Array.isArray(value)) for (const one of value) yield* pathsOf(one, path);
  else if (typeof value === "object" && value !== null && !isSecret(value) && !maps.has(path.at(-1) ?? "")) {
    for (const [name, inner] of Object.entries(value)) yield* pathsOf(inner, [...path, name]);
  } else yield path.join(".");
}
