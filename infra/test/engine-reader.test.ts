/** What the forced command of a drift check's key does with a session; a real sshd is in test/e2e/host.test.ts. */
import { strict as assert } from "node:assert";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const REPOSITORY = join(import.meta.dirname, "../..");
const PROGRAM = join(REPOSITORY, "infra/components/host/steps/engine-reader.py");

describe("the engine reader", function () {
  before(function () {
    // It runs on the host, and not every machine that tests has a Python.
    if (spawnSync("python3", ["--version"]).status !== 0) this.skip();
  });

  const start = (command: string) =>
    spawn("python3", [PROGRAM], { env: { ...process.env, SSH_ORIGINAL_COMMAND: command }, stdio: "pipe" });
  const hold = (): string => {
    const source = readFileSync(join(REPOSITORY, "ops/engine/ssh/master.ts"), "utf8");
    return JSON.parse(
      /^const REMOTE =\s+(".+");$/m.exec(source)?.[1] ??
        assert.fail("master.ts holds the connection otherwise"),
    ) as string;
  };

  it("holds the connection of a command of ops until its input ends, and says where the engine is", async () => {
    const child = start(hold());
    const [said] = (await once(child.stdout, "data")) as [Buffer];
    assert.equal(said.toString(), "unix:///var/run/docker.sock\n");
    child.stdin.write("POST /containers/prune HTTP/1.1\r\n\r\n");
    assert.equal(child.exitCode, null);
    const more: Buffer[] = [];
    child.stdout.on("data", (data: Buffer) => more.push(data));
    child.stdin.end();
    assert.deepEqual(await once(child, "close"), [0, null]);
    assert.deepEqual(more, [], "nothing that is said to it has an answer");
  });

  it("refuses every other command, also one that only begins or ends like it", async () => {
    for (const command of ["", "cat /etc/passwd", `${hold()}; id`, `id; ${hold()}`, `${hold()} `]) {
      const child = start(command);
      let said = "";
      child.stderr.on("data", (data: Buffer) => (said += data.toString()));
      child.stdin.on("error", () => undefined).end();
      assert.deepEqual(await once(child, "close"), [126, null], command);
      assert.match(said, /may only look at the engine/, command);
    }
  });
});
