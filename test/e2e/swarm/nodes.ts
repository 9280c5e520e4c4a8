/** `npm run node` on real machines: each with an sshd of its own, as Debian has it. */
import { strict as assert } from "node:assert";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostKeyOf, startLogin, type Login } from "../../support/box/login.ts";
import { call, eventually } from "../../support/http.ts";
import { startCommandIn, type CommandResult } from "../../support/stack.ts";
import { assertNothingLost } from "../../support/swarm/clients.ts";
import type { Lab } from "../../support/swarm/lab.ts";
import type { Machine } from "../../support/swarm/machine.ts";
import { succeeded as good, type SwarmStack } from "../../support/swarm/stack.ts";

const BEFORE = ["manager", "worker-1", "worker-2"];

function refused({ code, output }: CommandResult, why: RegExp): void {
  assert.notEqual(code, 0, output);
  assert.match(output, why);
}

/** @param stack that is deployed on its three machines with two replicas, as it is again afterwards */
export function testNodes(stack: () => SwarmStack): void {
  let swarm: SwarmStack;
  let lab: Lab;
  let work: string;
  let login: Login;
  /** One more, on which nothing but the engine is installed. */
  let machine: Machine;

  before(async () => {
    swarm = stack();
    lab = swarm.lab;
    work = mkdtempSync(join(tmpdir(), "omniai-swarm-nodes-"));
    login = await startLogin(work);
    machine = await lab.add("worker-3");
    login.letInto(machine.container);
  });
  after(() => {
    login?.stop();
    if (work !== undefined) rmSync(work, { recursive: true, force: true });
  });

  const node = (...args: string[]): Promise<CommandResult> => {
    const { checkout, name } = swarm.stack;
    const env = { ...process.env, NO_COLOR: "1", ...login.env };
    return startCommandIn(env, checkout, "node", "--stack", name, ...args).done;
  };
  const add = (address = machine.address, hostKey = hostKeyOf(machine.container)): Promise<CommandResult> =>
    node("add", `deploy@${address}`, "--host-key", hostKey);
  const members = (): string[] => Object.keys(lab.states()).sort();
  const leave = (): string => machine.inside("docker swarm leave --force");

  it("refuses a machine with another key, one that does not answer, and one of another swarm, and changes nothing there", async () => {
    execFileSync("ssh-keygen", ["-q", "-t", "ecdsa", "-N", "", "-f", join(work, "other")]);
    const other = readFileSync(join(work, "other.pub"), "utf8").split(" ").slice(0, 2).join(" ");
    refused(await add(machine.address, other), /does not have the key that --host-key names/);
    refused(await add(lab.nobody), /no SSH connection to/);
    machine.inside("docker swarm init --advertise-addr 127.0.0.1");
    refused(await add(), /is in another swarm/);
    leave();
    assert.equal(machine.inside("ls /etc/nftables.d/omniai.nft 2>/dev/null || echo none"), "none");
    assert.deepEqual(members(), BEFORE);
  });

  it("takes one more over SSH, which gets an edge and replicas, and takes it again", async () => {
    good(await add());
    assert.deepEqual(members(), [...BEFORE, machine.name]);
    await eventually("its edge", 90, () => swarm.placesOf("edge").includes(machine.name));
    // The stack does not serve under its address, and only an edge says that.
    await eventually(
      "an answer of its edge",
      30,
      async () => (await call(`${swarm.urlOf(machine)}/readyz`)).status === 421,
    );
    await swarm.withReplica([machine]);
    const firewall = machine.inside("cat /etc/nftables.d/omniai.nft");
    for (const { address } of lab.machines) assert.ok(firewall.includes(`ip saddr ${address} `), firewall);
    const engine = JSON.parse(machine.inside("cat /etc/docker/daemon.json")) as Record<string, unknown>;
    assert.equal(engine["no-new-privileges"], true);
    assert.ok(!("live-restore" in engine));
    good(await add());
    assert.deepEqual(members(), [...BEFORE, machine.name]);
    await swarm.serving(2);
  });

  it("drains and removes one, and loses nothing", async () => {
    await swarm.withReplica([machine]);
    await assertNothingLost(swarm, lab.machines.slice(0, 2), async () => {
      good(await node("drain", machine.name));
      assert.ok(!swarm.placesOf("backend").includes(machine.name));
      good(await node("remove", machine.name));
      await swarm.serving(2);
    });
    assert.deepEqual(members(), BEFORE);
    // Its engine does not ask whether it is a node still.
    refused(await add(), /was removed from this one/);
    leave();
  });

  it("removes one whose power is cut by --lost alone, and none that answers", async () => {
    good(await add());
    await swarm.withReplica([machine]);
    refused(await node("remove", machine.name, "--lost"), /answers, so it is not lost/);
    machine.cutPower();
    await eventually("a lost machine", 60, () => lab.states()[machine.name] === "Down");
    refused(await node("remove", machine.name), /cannot be drained/);
    good(await node("remove", machine.name, "--lost"));
    assert.deepEqual(members(), BEFORE);
    await swarm.serving(2, 90);
    assert.ok(!swarm.placesOf("backend").includes(machine.name));
  });
}
