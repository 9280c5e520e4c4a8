import assert from "node:assert/strict";
import { unprotected } from "../../commands/down.ts";
import type { ContainerView, VolumeView } from "../../engine/containers.ts";
import { describeDowntime } from "../../stack/downtime.ts";
import { goneContainers, planRecovery, readyForRefresh, withoutPending } from "../../stack/leftovers.ts";
import { publisherOf, strangeVolumes, wantedPorts } from "../../stack/prechecks.ts";
import { describeChanges, replicaUrns, workloadsOf } from "../../commands/restart.ts";
import { plainReason, recordEvent, type RunEvents } from "../../stack/run.ts";
import { hasOwnSecrets, localStackFile, planBackend } from "../../stack/open-stack.ts";
import { failedResources, TYPES, type State, type StateResource } from "../../stack/state.ts";
import { refreshes } from "../../commands/up.ts";

const urn = (name: string, type: string = TYPES.container): string =>
  `urn:pulumi:dev::omniai::${type}::${name}`;

const container = (
  name: string,
  id: string,
  workload: string,
  replica: number,
  more = {},
): StateResource => ({
  urn: urn(name),
  type: TYPES.container,
  id,
  inputs: {
    labels: [
      { label: "io.omniai.workload", value: workload },
      { label: "io.omniai.replica", value: String(replica) },
    ],
  },
  ...more,
});

const onEngine = (id: string): ContainerView => ({
  id,
  name: `name-${id}`,
  workload: "backend",
  replica: 1,
  image: "i",
  state: "running",
  health: "healthy",
  restarts: 0,
  exitCode: 0,
  oomKilled: false,
  error: "",
  created: "2026",
  ports: [],
});

describe("what an interrupted run left behind", () => {
  const state: State = {
    resources: [
      container("backend-1", "new", "backend", 1),
      container("backend-1", "old", "backend", 1, { delete: true }),
      { urn: urn("app", TYPES.network), type: TYPES.network, id: "net" },
    ],
    pending_operations: [{ type: "creating", resource: container("backend-2", "", "backend", 2) }],
  };

  it("is what the state does not know; what it knows stays, also what waits for its deletion", () => {
    const plan = planRecovery(
      state,
      [onEngine("new"), onEngine("old"), onEngine("lost")],
      [
        { id: "net", name: "app", created: "2026" },
        { id: "net2", name: "data", created: "2026" },
      ],
    );
    assert.deepEqual(
      plan.containers.map(({ id }) => id),
      ["lost"],
    );
    assert.deepEqual(
      plan.networks.map(({ id }) => id),
      ["net2"],
    );
    assert.equal(plan.operations.length, 1);
  });

  it("is not what another machine's run may just be making", () => {
    const since = Date.parse("2026-01-01T00:10:00Z");
    const young = { ...onEngine("young"), created: "2026-01-01T00:11:00.123456789Z" };
    const net = { id: "net2", name: "data", created: young.created };
    const plan = planRecovery(state, [onEngine("lost"), young], [net], since);
    assert.deepEqual([plan.containers.map(({ id }) => id), plan.networks], [["lost"], []]);
  });

  it("is taken out of the state without touching the rest", () => {
    assert.deepEqual(withoutPending(state), { resources: state.resources });
  });
});

describe("a container that is gone from the engine", () => {
  it("is left out when its successor stands, and looked at by a refresh otherwise", () => {
    const successor = container("b1", "new", "backend", 1);
    const old = container("b1", "old", "backend", 1, { delete: true });
    const half = container("b2", "half", "backend", 2, { pendingReplacement: true });
    const state: State = { resources: [successor, old, half] };
    const gone = goneContainers(state, [onEngine("new")]);
    assert.deepEqual(gone, [old, half]);
    assert.deepEqual(readyForRefresh(state, gone).resources, [
      successor,
      container("b2", "half", "backend", 2),
    ]);
  });
});

describe("data volumes", () => {
  const volume = (name: string, data = true): VolumeView => ({ name, data, mountpoint: "/" });
  const known: State = {
    resources: [
      { urn: urn("v", TYPES.volume), type: TYPES.volume, inputs: { name: "a" }, outputs: { name: "a" } },
    ],
    pending_operations: [
      {
        type: "creating",
        resource: { urn: urn("w", TYPES.volume), type: TYPES.volume, inputs: { name: "b" } },
      },
    ],
  };

  it("are strange when neither the state nor an interrupted creation knows them", () => {
    const strange = strangeVolumes([volume("a"), volume("b"), volume("c"), volume("files", false)], known);
    assert.deepEqual(
      strange.map(({ name }) => name),
      ["c"],
    );
  });

  it("are no longer protected only when they are to be deleted", () => {
    const state: State = { resources: [{ urn: urn("v"), type: TYPES.volume, protect: true, id: "a" }] };
    assert.deepEqual(unprotected(state).resources, [{ urn: urn("v"), type: TYPES.volume, id: "a" }]);
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

  it("that cannot be are left to the program's own check", () => {
    assert.deepEqual(wantedPorts({ httpPort: 99_999, httpsPort: "8443" }), [
      { key: "httpsPort", port: 8443 },
    ]);
  });
});

describe("restart", () => {
  const state: State = {
    resources: [
      container("b2", "2", "backend", 2),
      container("b1", "1", "backend", 1),
      container("b1", "0", "backend", 1, { delete: true }),
      container("r", "3", "redis", 1),
    ],
  };

  it("goes through the replicas in order, without those that are going", () => {
    assert.deepEqual(replicaUrns(state, "backend"), [urn("b1"), urn("b2")]);
    assert.deepEqual(workloadsOf(state), ["backend", "redis"]);
  });

  it("names a replacement once", () => {
    const type = TYPES.container;
    const changes = ["create-replacement", "replace", "delete-replaced"].map((op) => ({
      op,
      urn: urn("b1"),
      type,
    }));
    assert.equal(describeChanges(changes), "replace Container b1");
  });
});

describe("a failed gate", () => {
  const state: State = { resources: [container("b1", "1", "backend", 1, { initErrors: ["not healthy"] })] };

  it("is seen in the state and forbids a refresh, which would take its mark away", () => {
    assert.equal(failedResources(state).length, 1);
    assert.equal(refreshes(state, true), false);
    assert.equal(refreshes({}, true), true);
    assert.equal(refreshes({}, false), false);
  });
});

describe("the events of a run", () => {
  const events = (): RunEvents => ({ changes: [], errors: [], violations: [] });
  const step = (op: string) =>
    ({ resourcePreEvent: { metadata: { op, urn: urn("b1"), type: TYPES.container } } }) as never;
  const diagnostic = (message: string, more = {}) =>
    ({ diagnosticEvent: { message, severity: "error", urn: urn("b1"), ...more } }) as never;

  it("has the changes and leaves out what stays", () => {
    const told = events();
    for (const op of ["same", "refresh", "read", "update"]) recordEvent(told, step(op));
    assert.deepEqual(
      told.changes.map(({ op }) => op),
      ["update"],
    );
  });

  it("names what everybody will notice, once, and nothing that stands beside its successor", () => {
    const change = (op: string, name: string) => ({
      ...{ op, type: TYPES.container, urn: urn(`omniai-dev-${name}`, TYPES.container) },
    });
    const changes = [
      change("delete-replaced", "edge"),
      change("replace", "edge"),
      change("create-replacement", "backend-1"),
      change("update", "redis"),
    ];
    const [line, ...others] = describeDowntime(changes, "dev");
    assert.match(line ?? "", /^nginx itself is replaced/);
    assert.deepEqual(others, []);
    assert.deepEqual(describeDowntime(changes, "prod"), []);
  });

  it("has the reasons, without colours and without saying only that it failed", () => {
    const told = events();
    recordEvent(told, diagnostic("<{%reset%}>not healthy<{%reset%}>\n"));
    recordEvent(told, diagnostic("update failed", { urn: "" }));
    recordEvent(told, diagnostic("so far", { ephemeral: true }));
    assert.deepEqual(told.errors, ["b1: not healthy"]);
  });
});

describe("a provider's reason", () => {
  it("is told once and plainly, however often it was wrapped", () => {
    const wrapped =
      "1 error occurred:\n\t* creating urn:pulumi:dev::omniai::a$b::c: 1 error occurred:\n\t* container failed to be in healthy state\n\n";
    const logged =
      '  sdk-v2/provider2.go:571: sdk.helper_schema: container failed to be in healthy state: provider="docker@5.2.0"';
    for (const message of [wrapped, logged]) {
      assert.equal(plainReason(message), "container failed to be in healthy state");
    }
    assert.equal(plainReason("executor failed: exit code: 1"), "executor failed: exit code: 1");
  });
});

describe("state and secrets", () => {
  it("are the checkout's own unless the environment says otherwise", () => {
    const own = planBackend("/repo", {});
    assert.deepEqual(own.env, {
      PULUMI_BACKEND_URL: "file:///repo/.state",
      PULUMI_CONFIG_PASSPHRASE_FILE: "/repo/.state/passphrase",
    });
    assert.deepEqual(planBackend("/repo", { PULUMI_CONFIG_PASSPHRASE: "" }).env, {
      PULUMI_BACKEND_URL: "file:///repo/.state",
    });
    assert.deepEqual(planBackend("/repo", { PULUMI_BACKEND_URL: "file:///other" }), {
      own: false,
      stateDir: "/repo/.state",
      folder: "/other",
      env: {},
    });
    assert.equal(planBackend("/repo", { PULUMI_BACKEND_URL: "https://api.pulumi.com" }).folder, undefined);
  });

  it("put this machine's salt beside the committed config, from the local file or the state", () => {
    const committed = { config: { "omniai:httpPort": 9080 } };
    assert.deepEqual(localStackFile(committed, undefined, undefined), committed);
    assert.deepEqual(localStackFile(committed, { encryptionsalt: "a", config: { old: 1 } }, undefined), {
      ...committed,
      encryptionsalt: "a",
    });
    assert.deepEqual(localStackFile(committed, {}, { secrets_providers: { state: { salt: "b" } } }), {
      ...committed,
      encryptionsalt: "b",
    });
  });

  it("leave a committed file that has its own secrets as it is", () => {
    assert.equal(hasOwnSecrets({ config: {} }), false);
    assert.equal(hasOwnSecrets({ encryptionsalt: "v1:" }), true);
    assert.equal(hasOwnSecrets({ secretsprovider: "awskms://x" }), true);
  });
});
