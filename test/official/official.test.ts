/**
 * A stack with those official plugins that are in PULUMI_HOME/plugins or on PATH. The test prints where the others come
 * from. It needs the official docker plugin, because that plugin creates everything that runs.
 */
import { strict as assert } from "node:assert";
import { execFileSync } from "node:child_process";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assertNothingDropped, startTraffic } from "../support/traffic.ts";
import { createCheckout, removeCheckout } from "../support/checkout.ts";
import { call, eventually } from "../support/http.ts";
import { plainPulumi, plainUp } from "../support/plain-pulumi.ts";
import { createStack, docker, type CommandResult, type TestStack } from "../support/stack.ts";
import { goesThereAndBack, good, hasOfficialDocker, unchanged } from "./plugins.ts";

const RATE = 30;
const STREAMS = 5;

describe("with the official plugins, a stack", function () {
  this.timeout(900_000);
  let checkout: string;
  let stack: TestStack;

  before(async function () {
    if (!(await hasOfficialDocker())) this.skip();
    checkout = createCheckout();
    stack = await createStack(checkout, { switchSeconds: 4, drainSeconds: 2, backendStartSeconds: 5 });
  });
  after(async () => {
    if (stack) await stack.remove();
    if (checkout) removeCheckout(checkout);
  });

  const served = async (change: () => Promise<CommandResult>): Promise<void> => {
    const traffic = await startTraffic(stack.https, RATE, STREAMS);
    const result = await change();
    assertNothingDropped(await traffic.stop());
    good(result);
  };
  const build = async (): Promise<string> =>
    (JSON.parse((await call(`${stack.http}/api/diag`)).text) as { build: string }).build;

  it("comes up", async () => good(await stack.run("up", "--yes")));

  it("comes up again with nothing to change", async () => unchanged(await stack.run("up", "--yes")));

  it("has no drift", async () => good(await stack.run("drift")));

  it("is previewed where nothing reaches its engine: the preview job needs no key to the host", async () => {
    const elsewhere = "ssh://deploy@nobody.invalid";
    const state = mkdtempSync(join(tmpdir(), "omniai-preview-"));
    try {
      const exported = await plainPulumi(stack, ["stack", "export"]);
      good(exported);
      const engine = process.env["DOCKER_HOST"] ?? "unix:///var/run/docker.sock";
      assert.ok(exported.stdout.includes(engine), "the state names its engine");
      writeFileSync(join(state, "state.json"), exported.stdout.replaceAll(engine, elsewhere));
      stack.configure({ dockerHost: elsewhere });
      good(await plainPulumi(stack, ["stack", "select", "--create"], state));
      good(await plainPulumi(stack, ["stack", "import", "--file", join(state, "state.json")], state));
      good(await plainPulumi(stack, ["preview", "--expect-no-changes"], state));
    } finally {
      stack.configure({ dockerHost: "" });
      rmSync(state, { recursive: true, force: true });
    }
  });

  it("keeps what serves when a version never gets healthy, whatever a plain CLI does to its mark", async () => {
    const main = join(checkout, "service/src/main.ts");
    const [before, text] = [await stack.containers("backend"), readFileSync(main, "utf8")];
    writeFileSync(main, "setInterval(() => undefined, 1000);\n");
    assert.notEqual((await stack.run("up", "--yes")).code, 0);
    for (const flags of [["--refresh"], []]) {
      const { code, output } = await plainUp(stack, ...flags);
      assert.notEqual(code, 0, output);
      assert.match(output, /is not healthy/);
    }
    const now = await stack.containers("backend");
    assert.ok(
      before.every((name) => now.includes(name)),
      now.join(" "),
    );
    writeFileSync(main, text);
    await served(() => stack.run("up", "--yes"));
    assert.equal((await stack.containers("backend")).length, 2, "nothing is left behind");
  });

  it("deploys a changed service, and rolls back to the previous one", async () => {
    const first = await build();
    appendFileSync(join(checkout, "service/src/main.ts"), "\n// another version\n");
    await served(() => stack.run("up", "--yes"));
    assert.notEqual(await build(), first);
    await served(() => stack.run("rollback"));
    assert.equal(await build(), first);
    await served(() => stack.run("up", "--yes"));
  });

  it("restarts its replicas", async () => {
    const before = await stack.containers("backend");
    await served(() => stack.run("restart"));
    const after = await stack.containers("backend");
    assert.ok(after.every((name) => !before.includes(name)));
  });

  it("adds a third replica, and removes it again", async () => {
    for (const backendReplicas of [3, 2]) {
      stack.configure({ backendReplicas });
      await served(() => stack.run("up", "--yes"));
      assert.equal((await stack.containers("backend")).length, backendReplicas);
    }
  });

  it("heals a replica that was removed, and one that was stopped", async () => {
    for (const verb of [["rm", "--force"], ["stop"]]) {
      const [victim = ""] = await stack.containers("backend");
      execFileSync("docker", [...verb, victim]);
      assert.equal((await stack.run("drift")).code, 5, "it is seen");
      good(await stack.run("up", "--yes"));
      assert.equal((await stack.containers("backend")).length, 2);
      await eventually("health", 40, async () => (await stack.run("health")).code === 0);
      good(await stack.run("drift"));
    }
  });

  it("switches to the stand-ins and back, and nothing changes either way", async function () {
    const before = await ids();
    if (!(await goesThereAndBack(stack))) this.skip();
    assert.deepEqual(await ids(), before);
  });

  it("is taken down with its data", async () => {
    good(await stack.run("down", "--delete-data", "--yes"));
    assert.deepEqual(await ids(), []);
  });

  const ids = async (): Promise<string[]> => {
    const filters = { label: [`io.omniai.stack=${stack.name}`] };
    return (await docker.listContainers({ all: true, filters })).map(({ Id }) => Id).sort();
  };
});
