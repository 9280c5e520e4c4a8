/** What a container of a workload is. */
import { strict as assert } from "node:assert";
import * as pulumi from "@pulumi/pulumi";
import { BACKGROUND_SHARES } from "../config/cpus.ts";
import { duration, planContainer, type ContainerPlan, type WorkloadArgs } from "../workload.ts";

const args: WorkloadArgs = {
  engine: undefined as never,
  kind: "replaceable",
  image: "sha256:1",
  user: "1000:1000",
  networks: ["app"],
  health: { command: ["true"], interval: 5, timeout: 3, retries: 3, startPeriod: 30 },
  memory: 128,
  cpus: "0.5",
  pids: 64,
  stopGrace: 20,
};

const plan = (change: Partial<WorkloadArgs>): ContainerPlan =>
  planContainer("dev", "backend", 1, { ...args, ...change });

const refuses = (change: Partial<WorkloadArgs>, property: string, reason: RegExp): void => {
  assert.throws(
    () => plan(change),
    (error: unknown) => {
      assert.ok(error instanceof pulumi.InputPropertyError);
      return error.propertyPath === property && reason.test(error.reason);
    },
  );
};

describe("planContainer", () => {
  it("hardens every container the same way", () => {
    const container = plan({});
    assert.equal(container.readOnly, true);
    assert.deepEqual(container.capabilities, { drops: ["ALL"] });
    assert.deepEqual(container.securityOpts, ["no-new-privileges:true"]);
    assert.equal(container.init, true);
    assert.deepEqual(container.logOpts, { "max-size": "10m", "max-file": "3" });
    assert.equal(container.memory, container.memorySwap);
    assert.equal(container.cpus, "0.5");
    assert.equal(container.pidsLimit, 64);
    assert.equal(container.privileged, undefined);
  });

  it("gives way where cores are scarce only if it is in the background", () => {
    assert.equal(plan({}).cpuShares, undefined);
    assert.equal(plan({ isBackground: true }).cpuShares, BACKGROUND_SHARES);
  });

  it("refuses two addresses of one port, which the engine lists in an order of its own", () => {
    const at = (address: string, internal: number) => ({ internal, external: 8080, address });
    const [one, other] = ["192.0.2.7", "2001:db8::7"] as const;
    const ports = [at(one, 8080), at(other, 8080)];
    refuses({ kind: "singleton", ports }, "ports", /one address only/);
    const apart = plan({ kind: "singleton", ports: [at(one, 8080), at(other, 8082)] }).ports as {
      ip: string;
    }[];
    assert.deepEqual(
      apart.map(({ ip }) => ip),
      [one, other],
    );
  });

  it("waits for longer than the health check may take to decide", () => {
    assert.ok(Number(plan({}).waitTimeout) > 30 + 3 * (5 + 3));
    assert.equal(plan({}).wait, true);
  });

  it("gives replacement the same grace as a stop", () => {
    assert.equal(plan({}).destroyGraceSeconds, 20);
    assert.equal(plan({}).stopTimeout, 20);
  });

  it("gives a container what is its own beside what all have, and looks at both for secrets", async () => {
    const own = { environment: { ALL: "a" }, ownEnvironment: (index: number) => ({ TURN: String(index) }) };
    const envs = await Promise.all(
      [1, 2].map(
        async (index) =>
          await new Promise((resolve) =>
            pulumi.output(planContainer("dev", "backend", index, { ...args, ...own }).envs).apply(resolve),
          ),
      ),
    );
    assert.deepEqual(envs, [
      ["ALL=a", "TURN=1"],
      ["ALL=a", "TURN=2"],
    ]);
    refuses({ ownEnvironment: () => ({ API_KEY: "k" }) }, "environment.API_KEY", /secret/);
  });

  it("names only singletons, so that the successor of a replica can stand beside it", () => {
    assert.equal(plan({}).name, undefined);
    assert.equal(plan({ kind: "singleton" }).name, "omniai-dev-backend");
  });

  it("mounts files read-only unless they are data", () => {
    assert.deepEqual(
      plan({
        volumes: [
          { volume: "v", path: "/v" },
          { volume: "d", path: "/d", readOnly: false },
        ],
      }).volumes,
      [
        { volumeName: "v", containerPath: "/v", readOnly: true },
        { volumeName: "d", containerPath: "/d", readOnly: false },
      ],
    );
  });

  it("lets nobody run programs from writable memory", () => {
    assert.deepEqual(plan({ tmpfs: { "/tmp": "size=1m" } }).tmpfs, {
      "/tmp": "rw,nosuid,nodev,noexec,size=1m",
    });
  });

  for (const user of ["", "0", "root", "0:0", "root:root", "0:1000"]) {
    it(`refuses the user "${user}"`, () => refuses({ user }, "user", /is root/));
  }

  it("writes the CPU limit as the provider reads it back, and refuses what it would read back as another text", () => {
    assert.equal(plan({ cpus: "2" }).cpus, "2.0");
    assert.equal(plan({ cpus: "0.50" }).cpus, "0.5");
    refuses({ cpus: "0.05" }, "cpus", /"0\.05"/);
    refuses({ cpus: "lots" }, "cpus", /"lots"/);
  });

  it("refuses replicas of a singleton and ports of a replica", () => {
    refuses({ kind: "singleton", replicas: 2 }, "replicas", /exactly one/);
    refuses({ ports: [{ internal: 1, external: 1, address: "127.0.0.1" }] }, "ports", /cannot publish/);
  });

  for (const key of ["DB_PASSWORD", "API_TOKEN", "CLIENT_SECRET", "PGPASSWORD", "SIGNING_KEY"]) {
    it(`refuses the secret-looking variable ${key}, and takes ${key}_FILE`, () => {
      refuses({ environment: { [key]: "x" } }, `environment.${key}`, /write it to a file/);
      assert.doesNotThrow(() => plan({ environment: { [`${key}_FILE`]: "/run/secrets/x" } }));
    });
  }
});

describe("duration", () => {
  for (const [seconds, text] of [
    [5, "5s"],
    [60, "1m0s"],
    [90, "1m30s"],
    [3600, "1h0m0s"],
    [3725, "1h2m5s"],
  ] as const) {
    it(`writes ${seconds} s as the engine does: ${text}`, () => assert.equal(duration(seconds), text));
  }
});
