/** What a changed service does to a stack that is in use. */
import assert from "node:assert/strict";
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createCheckout, removeCheckout } from "./support/checkout.ts";
import { call, eventually } from "./support/http.ts";
import { createStack, docker, type TestStack } from "./support/stack.ts";
import { assertNothingDropped, startTraffic } from "./support/traffic.ts";

const RATE = 60;
const STREAMS = 20;

describe("a stack in use", function () {
  this.timeout(400_000);
  let checkout: string;
  let stack: TestStack;
  let main: string;
  let good: string;

  before(async () => {
    checkout = createCheckout();
    main = join(checkout, "service/src/main.ts");
    good = readFileSync(main, "utf8");
    // Shorter than the defaults, so that four deploys fit into a test run; the edge's margin stays.
    stack = await createStack(checkout, { switchSeconds: 4, drainSeconds: 2, backendStartSeconds: 5 });
    const { code, output } = await stack.run("up", "--yes");
    assert.equal(code, 0, output);
  });
  after(async () => {
    await stack.remove();
    removeCheckout(checkout);
  });

  const build = async (): Promise<string> =>
    (JSON.parse((await call(`${stack.http}/api/diag`)).text) as { build: string }).build;

  it("takes a changed service without a failed request or a lost event, and leaves nothing of the old one", async () => {
    const [before, builtBefore] = [await stack.containers(), await build()];
    appendFileSync(main, "\n// another version\n");
    const traffic = await startTraffic(stack.https, RATE, STREAMS);
    const { code, output } = await stack.run("up", "--yes");
    const result = await traffic.stop();
    assert.equal(code, 0, output);
    assertNothingDropped(result);
    assert.notEqual(await build(), builtBefore);
    const after = await stack.containers();
    assert.equal(after.length, before.length);
    assert.deepEqual(
      after.filter((name) => before.includes(name)).map((name) => name.replace(`omniai-${stack.name}-`, "")),
      ["edge", "postgres", "redis"],
      "only the replicas are new",
    );
  });

  it("replaces PostgreSQL without touching the replicas, which come back to it by themselves", async () => {
    const before = await stack.containers("backend");
    const [old] = await docker.listContainers({
      filters: { label: [`io.omniai.stack=${stack.name}`, "io.omniai.workload=postgres"] },
    });
    stack.configure({ postgresMemory: 400 });
    const { code, output } = await stack.run("up", "--yes");
    assert.equal(code, 0, output);
    const [now] = await docker.listContainers({
      filters: { label: [`io.omniai.stack=${stack.name}`, "io.omniai.workload=postgres"] },
    });
    assert.notEqual(now?.Id, old?.Id, "its command line has changed");
    assert.deepEqual(await stack.containers("backend"), before);
    await eventually("readiness", 15, async () => (await call(`${stack.http}/readyz`)).status === 200);
  });

  it("keeps the old version serving while a new one never gets healthy, says why, and does not change its mind", async () => {
    const [before, builtBefore] = [await stack.containers("backend"), await build()];
    writeFileSync(main, 'console.log("the new version leaves at once"); process.exit(3);\n');
    const traffic = await startTraffic(stack.https, RATE, STREAMS);
    const attempts = [await stack.run("up", "--yes"), await stack.run("up", "--yes")];
    const result = await traffic.stop();
    for (const { code, output } of attempts) {
      assert.notEqual(code, 0, output);
      assert.match(output, /the new version leaves at once/, "the last log lines of the failing container");
    }
    assertNothingDropped(result);
    assert.equal(await build(), builtBefore);
    const now = await stack.containers("backend");
    assert.ok(
      before.every((name) => now.includes(name)),
      `${before.join(" ")} still among ${now.join(" ")}`,
    );
  });

  it("converges on a good version again, without orphans", async () => {
    writeFileSync(main, `${good}\n// a third version\n`);
    const traffic = await startTraffic(stack.https, RATE, STREAMS);
    const { code, output } = await stack.run("up", "--yes");
    assertNothingDropped(await traffic.stop());
    assert.equal(code, 0, output);
    const all = await docker.listContainers({
      all: true,
      filters: { label: [`io.omniai.stack=${stack.name}`] },
    });
    assert.equal(all.length, 5, all.map(({ Names, Status }) => `${Names.join()} ${Status}`).join("; "));
  });

  it("restarts its replicas one at a time", async () => {
    const before = await stack.containers("backend");
    const traffic = await startTraffic(stack.https, RATE, STREAMS);
    const { code, output } = await stack.run("restart");
    assertNothingDropped(await traffic.stop());
    assert.equal(code, 0, output);
    const after = await stack.containers("backend");
    assert.equal(after.length, before.length);
    assert.ok(
      after.every((name) => !before.includes(name)),
      `${before.join(" ")} became ${after.join(" ")}`,
    );
  });
});
