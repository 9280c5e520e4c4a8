/** What a move decides before it touches anything. */
import { strict as assert } from "node:assert";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { obstacles, type Machine } from "../../../commands/move/check.ts";
import { describeFollowUps } from "../../../commands/move/follow-ups.ts";
import { stopOrder } from "../../../commands/move/old-stack.ts";
import {
  describeProgress,
  forgetProgress,
  isReached,
  readProgress,
  writeProgress,
  type MoveProgress,
} from "../../../commands/move/progress.ts";
import { withEngine } from "../../../commands/move/switch-over.ts";
import { accessTo, withAccess } from "../../../commands/move/target.ts";
import type { ContainerView } from "../../../engine/containers.ts";
import { planBackend } from "../../../stack/backend.ts";

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

  it("says what its owner has to do", () => {
    const plain = describeFollowUps(
      { httpPort: 80, httpsPort: 443, edgeHosts: ["a.example.org"] },
      "prod",
      "new",
    );
    assert.match(plain.join("\n"), /let a\.example\.org lead to new/);
    assert.match(plain.join("\n"), /npm run move -- --finish --stack prod/);
    const tunnel = describeFollowUps(
      { tunnelEnabled: true, publishPorts: "auto", httpPort: 80 },
      "prod",
      "new",
    );
    assert.match(tunnel.join("\n"), /tunnel leads to the new machine already/);
    assert.doesNotMatch(tunnel.join("\n"), /DNS/);
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

  it("has its steps in order", () => {
    assert.ok(isReached(progress, "copying"));
    assert.ok(isReached(progress, "stopping"));
    assert.ok(!isReached(progress, "fenced"));
  });
});

describe("a state that goes along", () => {
  it("asks the new engine from then on, and nothing else about it changes", () => {
    const provider = {
      urn: "urn:a",
      type: "pulumi:providers:docker",
      inputs: { host: "unix:///a" },
      outputs: { host: "unix:///a", version: "5" },
    };
    const other = { urn: "urn:b", type: "pulumi:providers:random", inputs: {} };
    assert.deepEqual(withEngine({ resources: [provider, other] }, "ssh://deploy@new"), {
      resources: [
        {
          ...provider,
          inputs: { host: "ssh://deploy@new" },
          outputs: { host: "ssh://deploy@new", version: "5" },
        },
        other,
      ],
    });
  });
});
