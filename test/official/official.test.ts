/**
 * A stack with those official plugins that are in PULUMI_HOME/plugins or on PATH. The test prints where the others come
 * from. It needs the official docker plugin, because that plugin creates everything that runs.
 */
import { strict as assert } from "node:assert";
import { execFileSync } from "node:child_process";
import { appendFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createContext, inspectToolchain } from "../../tools/find/index.ts";
import { PLUGIN_PARTS } from "../../tools/find/pulumi/plugin.ts";
import { assertNothingDropped, startTraffic } from "../support/traffic.ts";
import { createCheckout, removeCheckout } from "../support/checkout.ts";
import { call, eventually } from "../support/http.ts";
import { createStack, docker, type CommandResult, type TestStack } from "../support/stack.ts";

const RATE = 30;
const STREAMS = 5;

const unchanged = ({ code, output }: CommandResult): void => {
  assert.equal(code, 0, output);
  assert.match(output, /\d+ unchanged/);
  assert.doesNotMatch(output, /\d+ (created|updated|replaced|deleted)/);
};
const good = ({ code, output }: CommandResult): void => assert.equal(code, 0, output);

describe("with the official plugins, a stack", function () {
  this.timeout(900_000);
  let checkout: string;
  let stack: TestStack;
  let emptyHome: string;

  before(async function () {
    const parts = new Set(PLUGIN_PARTS.map(({ name }) => name));
    const found = (await inspectToolchain(createContext())).filter(({ name }) => parts.has(name));
    const isOfficial = (way: string): boolean => way === "downloaded" || way === "path";
    for (const { name, way, version, location } of found) {
      const line = isOfficial(way)
        ? `official ${name} ${version ?? "of a version that it does not say"} (${location ?? way})`
        : `NOT OFFICIAL: ${name} is ${way === "built" ? "the stand-in that was built here" : way}; put the official one into PULUMI_HOME/plugins or on PATH`;
      console.log(`  ${line}`);
    }
    if (!found.some(({ name, way }) => name === "pulumi-resource-docker" && isOfficial(way))) {
      console.log("  SKIPPED: nothing of this was tried, because the official docker plugin is not here.");
      this.skip();
    }
    emptyHome = mkdtempSync(join(tmpdir(), "omniai-pulumi-home-"));
    checkout = createCheckout();
    stack = await createStack(checkout, { switchSeconds: 4, drainSeconds: 2, backendStartSeconds: 5 });
  });
  after(async () => {
    if (stack) await stack.remove();
    if (checkout) removeCheckout(checkout);
    if (emptyHome) rmSync(emptyHome, { recursive: true, force: true });
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
    const home = process.env["PULUMI_HOME"];
    process.env["PULUMI_HOME"] = emptyHome;
    try {
      const { stdout } = await stack.run("doctor");
      if (!/pulumi-resource-docker .*standin/.test(stdout)) {
        console.log("  SKIPPED: the official plugins are on PATH, or the stand-ins are not built here.");
        this.skip();
      }
      unchanged(await stack.run("up", "--yes"));
    } finally {
      if (home === undefined) delete process.env["PULUMI_HOME"];
      else process.env["PULUMI_HOME"] = home;
    }
    unchanged(await stack.run("up", "--yes"));
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
