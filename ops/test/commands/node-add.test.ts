/** What `npm run node -- add` refuses, before it changes anything; a real machine is in test/e2e/swarm/nodes.ts. */
import { strict as assert } from "node:assert";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import type Docker from "dockerode";
import { addNode, type NewNode } from "../../commands/node/add.ts";
import { OpsError } from "../../terminal/errors.ts";

const wanted: NewNode = {
  address: { user: "deploy", host: "new.example" },
  hostKey: "ssh-ed25519 AAAA",
  edge: true,
  openPorts: [],
};

/** A manager that knows one node. */
const manager = (isManager = true): Docker =>
  ({
    info: () => Promise.resolve({ Swarm: { ControlAvailable: isManager } }),
    listNodes: () =>
      Promise.resolve([
        {
          ID: "first",
          Spec: { Role: "manager", Availability: "active" },
          Description: { Hostname: "first" },
          Status: { State: "ready", Addr: "192.0.2.1" },
        },
      ]),
  }) as unknown as Docker;

describe("a machine that is no node yet", () => {
  let folder: string;
  let scripts: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "omniai-node-test-"));
    scripts = join(folder, "scripts");
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  /** An `ssh` that gets so far as it is told, and keeps the scripts that it is given to run. */
  const ssh = ({ refuses, swarm = "" }: { refuses?: string; swarm?: string }): NodeJS.ProcessEnv => {
    const program = `#!/bin/sh
case "$*" in
*ControlMaster=yes*)
  ${refuses === undefined ? "echo omniai-ssh-open; exec cat >/dev/null" : `echo '${refuses}' >&2; exit 255`}
  ;;
esac
script=$(cat)
printf '%s\n' "$script" >> '${scripts}'
case $script in
*"docker info"*) echo '${swarm}' ;;
*) echo 'the first step ran'; exit 1 ;;
esac
`;
    writeFileSync(join(folder, "ssh"), program, { mode: 0o755 });
    return { ...process.env, PATH: [folder, process.env["PATH"]].join(delimiter) };
  };
  const add = (env: NodeJS.ProcessEnv, docker = manager()): Promise<unknown> =>
    addNode(docker, wanted, env, () => undefined);
  const refusedWith = (pattern: RegExp) => (error: unknown) =>
    error instanceof OpsError && pattern.test(`${error.message} ${error.remedy ?? ""}`);
  const ran = (): string => (existsSync(scripts) ? readFileSync(scripts, "utf8") : "");

  it("is not asked where the stack's engine is no manager", async () => {
    await assert.rejects(add(ssh({}), manager(false)), refusedWith(/no manager of a swarm/));
    assert.equal(ran(), "");
  });

  it("gets nothing where it has another key, and the option is named that gave it", async () => {
    const env = ssh({ refuses: "Host key verification failed." });
    await assert.rejects(add(env), refusedWith(/new\.example does not have the key that --host-key names/));
    assert.equal(ran(), "");
  });

  it("is told apart where it does not answer, and no config key is named for what was typed", async () => {
    const env = ssh({ refuses: "ssh: connect to host new.example port 22: No route to host" });
    await assert.rejects(
      add(env),
      refusedWith(/no SSH connection to new\.example.*comes from what you typed/s),
    );
  });

  it("is left as it is where it is a node of another swarm, or was one of this", async () => {
    for (const swarm of ["active other", "error", "pending"])
      await assert.rejects(
        add(ssh({ swarm })),
        refusedWith(/is in another swarm, or was removed from this one/),
      );
    assert.doesNotMatch(ran(), /HOST_IS_NODE/, "a step has run on it");
  });

  it("is prepared where it is in none, where it has no engine, and where it is a node here already", async () => {
    for (const swarm of ["inactive ", "", "active first", "sudo: a password is required"])
      await assert.rejects(add(ssh({ swarm })), refusedWith(/The step engine failed.*the first step ran/s));
    assert.match(ran(), /HOST_IS_NODE='yes'\nHOST_NODES='192\.0\.2\.1'/);
  });
});
