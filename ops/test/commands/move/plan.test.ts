/** What a move decides before it touches anything. */
import { strict as assert } from "node:assert";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type Docker from "dockerode";
import {
  describeTightMemory,
  memoryOf,
  missingBytes,
  obstacles,
  type Machine,
} from "../../../commands/move/check.ts";
import { expectedSeconds } from "../../../commands/move/copy-ahead.ts";
import { describeFollowUps } from "../../../commands/move/follow-ups.ts";
import { maintainedBy, stopOrder } from "../../../commands/move/old-stack.ts";
import { stateAt } from "../../../commands/move/state-at.ts";
import { fileForOld } from "../../../commands/move/taking-up.ts";
import { accessTo, withAccess } from "../../../commands/move/target.ts";
import type { ContainerView } from "../../../engine/containers.ts";
import { types, type StateResource } from "../../../stack/state.ts";
import type { KnownConfig } from "../../../stack/settings.ts";
import { planBackend } from "../../../stack/backend.ts";
import {
  describeProgress,
  forgetProgress,
  isReached,
  readProgress,
  refuseDuringMove,
  refuseMoveByHand,
  writeProgress,
  type MoveProgress,
} from "../../../stack/move-progress.ts";

const machine: Machine = { id: "A", name: "a", architecture: "x86_64", memory: 8e9, cpus: 4 };

describe("a move's new machine", () => {
  it("is named as SSH names it, and becomes the keys of the stack's file", () => {
    assert.deepEqual(accessTo("deploy@new", undefined, false), {
      dockerHost: "ssh://deploy@new",
      hostKey: null,
    });
    assert.deepEqual(accessTo("ssh://deploy@[2001:db8::1]:2222", "ssh-ed25519 AAAA", true), {
      dockerHost: "ssh://deploy@[2001:db8::1]:2222",
      hostKey: "ssh-ed25519 AAAA",
      hostAddress: "2001:db8::1",
      hostUser: "deploy",
      hostPort: 2222,
    });
    assert.deepEqual(accessTo("unix:///var/run/docker.sock", undefined, false), {
      dockerHost: "unix:///var/run/docker.sock",
      hostKey: null,
    });
  });

  it("needs a user and a key where the stack prepares its machine", () => {
    assert.throws(() => accessTo("new", "ssh-ed25519 AAAA", true), /no user is named/);
    assert.throws(() => accessTo("deploy@new", undefined, true), /no host key is named/);
    assert.throws(
      () => accessTo("unix:///var/run/docker.sock", undefined, true),
      /cannot be prepared over SSH/,
    );
    assert.throws(() => accessTo("ssh://deploy:secret@new", undefined, false), /has a password in it/);
  });

  it("changes nothing else in the file, and takes out the key of the machine before", () => {
    const text =
      "# mine\nconfig:\n  omniai:hostKey: old # of the old one\n  omniai:httpPort: 80\nencryptionsalt: v1\n";
    assert.equal(
      withAccess(text, "omniai", { dockerHost: "ssh://deploy@new", hostKey: null }),
      "# mine\nconfig:\n  omniai:httpPort: 80\n  omniai:dockerHost: ssh://deploy@new\nencryptionsalt: v1\n",
    );
  });

  it("is refused with every reason at once", () => {
    const load = { memory: 4e9, data: 1e9 };
    assert.deepEqual(obstacles(machine, { ...machine, id: "B" }, load, 10e9), []);
    assert.deepEqual(obstacles(machine, { ...machine, id: "B" }, load, undefined), []);
    const found = obstacles(machine, { ...machine, architecture: "aarch64", memory: 2e9 }, load, 3.5e9);
    assert.equal(found.length, 4);
    for (const [index, words] of [/is the machine/, /aarch64/, /2\.0 GB of memory/, /3\.5 GB free/].entries())
      assert.match(found[index] ?? "", words);
  });

  it("needs no more memory than the machine before, whatever the containers may take, and that is said", () => {
    const load = { memory: 9e9, data: 0 };
    const [same, less] = [8e9, 7.9e9].map((memory) => ({ ...machine, id: "B", memory }));
    assert.ok(same !== undefined && less !== undefined);
    assert.deepEqual(obstacles(machine, same, load, undefined), []);
    assert.match(describeTightMemory(same, load) ?? "", /8\.0 GB of memory[^]*may take 9\.0 GB/);
    assert.equal(describeTightMemory(same, { ...load, memory: 8e9 }), undefined);
    assert.match(obstacles(machine, less, load, undefined).join(), /7\.9 GB of memory/);
  });

  it("needs no memory for what is over", async () => {
    const inspect = (Status: string) => () =>
      Promise.resolve({
        ...{ Id: Status, Name: `/${Status}`, RestartCount: 0, Created: "", HostConfig: { Memory: 1e9 } },
        Config: { Labels: {}, Image: "image" },
        State: { Status, StartedAt: "2026-01-02T03:04:05Z" },
      });
    const states = ["running", "restarting", "exited", "created"];
    const docker = {
      listContainers: () => Promise.resolve(states.map((Id) => ({ Id, Image: "image" }))),
      listImages: () => Promise.resolve([]),
      getContainer: (id: string) => ({ inspect: inspect(id) }),
    };
    assert.equal(await memoryOf(docker as unknown as Docker, "prod"), 2e9);
  });

  it("needs room for what an earlier try has not brought yet", () => {
    const sizes = new Map([
      ["a", 5],
      ["b", 3],
      ["others", 9],
    ]);
    assert.equal(missingBytes(["a", "b"], sizes, new Map()), 8);
    // What is there may be larger: of a file that is gone meanwhile, for example.
    assert.equal(missingBytes(["a", "b"], sizes, new Map([...[["a", 2] as const, ["b", 4] as const]])), 3);
  });
});

describe("a stack that is left", () => {
  const view = (workload: string, state = "running"): ContainerView =>
    ({ id: workload, name: workload, workload, state }) as ContainerView;

  it("ends its replicas before the servers, and keeps its entrance", () => {
    const all = ["postgres", "edge", "backend", "backup", "redis", "cloudflared", "vmagent"].map((one) =>
      view(one),
    );
    assert.deepEqual(
      stopOrder([...all, view("certificates", "exited")]).map((group) =>
        group.map(({ workload }) => workload),
      ),
      [["backend"], ["postgres", "redis"], ["backup", "vmagent"]],
    );
  });

  it("is under maintenance afterwards as it was last, and not as an earlier try has found it", () => {
    const edge = (detail?: string): Parameters<typeof maintainedBy>[0] => ({
      before: detail === undefined ? undefined : { detail, since: "" },
    });
    const earlier = { maintained: "at the first try" };
    assert.equal(maintainedBy(edge(), earlier), undefined);
    assert.equal(maintainedBy(edge("now"), earlier), "now");
    assert.equal(maintainedBy(edge("now"), {}), "now");
    assert.equal(maintainedBy(undefined, earlier), earlier.maintained);
  });

  it("is not taken for stopped where a server is between two starts, or paused", () => {
    const found = stopOrder([
      view("postgres", "restarting"),
      view("redis", "paused"),
      view("backend", "dead"),
    ]);
    assert.deepEqual(
      found.flat().map(({ workload }) => workload),
      ["postgres", "redis"],
    );
  });
});

describe("how long nobody will be served", () => {
  it("has the comparison in it, which takes as long as the data is large", () => {
    assert.equal(expectedSeconds(5, 100) - expectedSeconds(5, 0), 100);
    assert.equal(expectedSeconds(20, 100) - expectedSeconds(5, 100), 15);
  });
});

describe("what its owner has to do after a move", () => {
  const said = (config: KnownConfig, dockerHost = "ssh://deploy@new"): string =>
    describeFollowUps({ httpPort: 80, httpsPort: 443, ...config }, "prod", { dockerHost }).join("\n");
  const open = { bindAddress: "0.0.0.0" };

  it("is to change the DNS where the edge is reached by its machine, and to know when a certificate is renewed", () => {
    const plain = said({ ...open, edgeHosts: ["a.example.org", "127.0.0.1"] });
    assert.match(plain, /DNS is yours to change: let a\.example\.org lead to new \(/);
    assert.match(plain, /npm run move -- --finish --stack prod/);
    assert.doesNotMatch(plain, /certificate|Tunnel/);
    const acme = said({ ...open, tls: "acme", certificateHosts: ["b.example.org"] });
    assert.match(acme, /let b\.example\.org lead to new[^]*renewed only once/);
    const numbers = said({ ...open, certificateHosts: ["localhost", "203.0.113.7"] });
    assert.match(numbers, /let every name of the stack lead[^]*addresses \(203\.0\.113\.7\)/);
  });

  it("is nothing about the DNS where a tunnel leads to it, or nobody from outside", () => {
    const tunnel = said({ tunnelEnabled: true, tunnelHostnames: ["a.example.org"] });
    assert.match(tunnel, /^Tunnel: nothing to change/);
    assert.doesNotMatch(tunnel, /DNS/);
    const local = said({ bindAddress: "127.0.0.1", certificateHosts: ["localhost", "127.0.0.1"] });
    assert.match(local, /^DNS: nothing to change[^]*127\.0\.0\.1/);
    assert.doesNotMatch(local, /yours to change/);
  });

  it("is both where both lead to it", () => {
    const both = said({
      ...open,
      ...{ tunnelEnabled: true, publishPorts: "always" },
      ...{ tunnelHostnames: ["a.example.org"], edgeHosts: ["a.example.org", "b.example.org"] },
    });
    assert.match(both, /^Tunnel: nothing to change[^]*let b\.example\.org lead to new/);
  });
});

describe("a move's progress", () => {
  const progress: MoveProgress = {
    ...{ step: "stopping", host: "deploy@new", access: { dockerHost: "ssh://deploy@new", hostKey: null } },
    ...{ file: "config: {}\n", ran: ["a"] },
  };

  it("is found again, until it is forgotten, and never guessed", () => {
    const folder = mkdtempSync(join(tmpdir(), "omniai-move-"));
    try {
      const backend = planBackend(folder, {});
      assert.equal(readProgress(backend, "dev"), undefined);
      writeProgress(backend, "dev", progress);
      assert.deepEqual(readProgress(backend, "dev"), progress);
      writeFileSync(join(backend.stateDir, "move", "dev.json"), '{"step":"other"}');
      assert.throws(() => readProgress(backend, "dev"), /does not say how far/);
      forgetProgress(backend, "dev");
      assert.equal(readProgress(backend, "dev"), undefined);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it("is told with the way on and the way back", () => {
    assert.match(
      describeProgress(progress, "prod"),
      /may be stopped[^]*npm run move -- deploy@new --stack prod[^]*npm run move -- --back --stack prod/,
    );
    assert.match(describeProgress({ ...progress, step: "moved" }, "prod"), /-- --finish --stack prod/);
  });

  it("keeps every other command away while the data is between two machines", () => {
    const folder = mkdtempSync(join(tmpdir(), "omniai-move-"));
    try {
      const backend = planBackend(folder, {});
      refuseDuringMove(backend, "dev", "up");
      for (const step of ["stopping", "fenced"] as const) {
        writeProgress(backend, "dev", { ...progress, step });
        assert.throws(() => refuseDuringMove(backend, "dev", "up"), /is being moved to deploy@new/);
        refuseDuringMove(backend, "dev", "move");
      }
      for (const step of ["preparing", "copying", "moved"] as const) {
        writeProgress(backend, "dev", { ...progress, step });
        refuseDuringMove(backend, "dev", "up");
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it("keeps a move by hand away until it is over, because a way back would remove what that has brought", () => {
    const folder = mkdtempSync(join(tmpdir(), "omniai-move-"));
    try {
      const backend = planBackend(folder, {});
      refuseMoveByHand(backend, "dev");
      for (const step of ["preparing", "copying", "stopping", "fenced"] as const) {
        writeProgress(backend, "dev", { ...progress, step });
        assert.throws(
          () => refuseMoveByHand(backend, "dev"),
          /A move of stack dev to deploy@new is not over/,
        );
      }
      writeProgress(backend, "dev", { ...progress, step: "moved" });
      refuseMoveByHand(backend, "dev");
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it("gives the stack's file back for the old machine, and keeps what the operator has changed in it meanwhile", () => {
    const back = (found: string, step: MoveProgress["step"]): string =>
      fileForOld(found, { ...progress, step }, "omniai", "dev");
    const target = withAccess(progress.file, "omniai", progress.access);
    const changed = "config:\n  omniai:logLevel: debug\n";
    assert.notEqual(target, progress.file);
    for (const step of ["preparing", "stopping", "fenced"] as const) {
      assert.equal(back(target, step), progress.file);
      assert.equal(back(progress.file, step), progress.file);
    }
    assert.equal(back(changed, "copying"), changed);
    assert.throws(() => back(changed, "fenced"), /Pulumi\.dev\.yaml is not what it was/);
  });

  it("has its steps in order", () => {
    assert.ok(isReached(progress, "copying"));
    assert.ok(isReached(progress, "stopping"));
    assert.ok(!isReached(progress, "fenced"));
  });
});

describe("a state that goes along", () => {
  const urn = (name: string, type: string): string => `urn:pulumi:dev::omniai::${type}::${name}`;
  const resource = (name: string, type: string, more: Partial<StateResource> = {}): StateResource => ({
    ...{ urn: urn(name, type), type, id: `id of ${name}` },
    ...more,
  });
  const provider = resource("engine", "pulumi:providers:docker", {
    inputs: { host: "unix:///a" },
    outputs: { host: "unix:///a", version: "5" },
  });
  const password = resource("password", "random:index/randomPassword:RandomPassword");
  const data = resource("omniai-dev-postgres-data", types.volume, { protect: true });
  const [files, network] = [resource("files", types.volume), resource("app", types.network)];
  const server = resource("postgres", types.container, { dependencies: [data.urn, network.urn] });
  const command = resource("omniai-dev-postgres", types.command, {
    dependencies: [server.urn, password.urn],
  });
  const record = resource("omniai-dev-engine", types.command, { protect: true });
  const state = { resources: [provider, record, password, data, files, network, server, command] };
  const newProvider = {
    ...provider,
    inputs: { host: "ssh://deploy@new" },
    outputs: { host: "ssh://deploy@new", version: "5" },
  };

  it("asks the new engine from then on, and has nothing of the old one but what goes along", () => {
    assert.deepEqual(stateAt(state, "dev", "ssh://deploy@new", new Set()).resources, [
      newProvider,
      password,
      data,
      { ...command, dependencies: [password.urn] },
    ]);
  });

  it("keeps what an earlier try has made there", () => {
    const there = new Set([network.id ?? "", server.id ?? ""]);
    assert.deepEqual(stateAt(state, "dev", "ssh://deploy@new", there).resources, [
      ...[newProvider, password, data, network, server, command],
    ]);
  });
});
