/** Bad input, interrupted runs and parallel runs: each gets a clear message, and nothing is lost. */
import { strict as assert } from "node:assert";
import { createServer, type Server } from "node:net";
import { createCheckout, removeCheckout } from "../support/checkout.ts";
import { call } from "../support/http.ts";
import { killTree } from "../support/process.ts";
import { createStack, docker, startCommand, type TestStack } from "../support/stack.ts";

describe("an operator's mistakes", function () {
  this.timeout(400_000);
  let checkout: string;
  const stacks: TestStack[] = [];
  const create = async (config: Record<string, unknown> = {}): Promise<TestStack> => {
    const stack = await createStack(checkout, config);
    stacks.push(stack);
    return stack;
  };

  before(() => {
    checkout = createCheckout();
  });
  after(async () => {
    for (const stack of stacks) await stack.remove();
    removeCheckout(checkout);
  });

  const nothingOf = async (stack: TestStack): Promise<void> => {
    const filters = { label: [`io.omniai.stack=${stack.name}`] };
    assert.deepEqual(await docker.listContainers({ all: true, filters }), []);
  };

  it("an unknown stack: names it and the known ones", async () => {
    const { code, output } = await startCommand(checkout, "up", "--stack", "prodd", "--yes").done;
    assert.notEqual(code, 0);
    assert.match(output, /prodd/);
    assert.match(output, /dev/);
    assert.doesNotMatch(output, /at .*\.ts:\d+/, "no stack trace");
  });

  it("an unknown command: lists the known ones", async () => {
    const { code, output } = await startCommand(checkout, "upp").done;
    assert.notEqual(code, 0);
    assert.match(output, /unknown command|up/);
  });

  it("a taken port: names the port and who holds it", async () => {
    const stack = await create();
    const server = await new Promise<Server>((resolve) => {
      const listening = createServer().listen(stack.httpPort, "127.0.0.1", () => resolve(listening));
    });
    try {
      const { code, output } = await stack.run("up", "--yes");
      assert.notEqual(code, 0, output);
      assert.match(output, new RegExp(String(stack.httpPort)));
      assert.match(output, new RegExp(`${process.pid}|node`));
      await nothingOf(stack);
    } finally {
      server.close();
    }
  });

  const wrong: [string, unknown, RegExp][] = [
    ["backendReplicas", 99, /backendReplicas.*99[\s\S]*1 to 16/],
    ["backendReplicas", "many", /backendReplicas[\s\S]*many[\s\S]*whole number/],
    ["backendCpus", "lots", /backendCpus[\s\S]*lots[\s\S]*cores/],
    ["noSuchKey", 1, /noSuchKey/],
  ];
  for (const [key, value, expected] of wrong) {
    it(`omniai:${key} = ${JSON.stringify(value)}: names the key, the value and what is allowed`, async () => {
      const stack = await create({ [key]: value });
      const { code, output } = await stack.run("up", "--yes");
      assert.notEqual(code, 0, output);
      assert.match(output, expected);
      await nothingOf(stack);
    });
  }

  it("a stack other than dev is not deployed without a yes", async () => {
    const stack = await create();
    const { code, output } = await stack.run("up");
    assert.notEqual(code, 0, output);
    assert.match(output, /--yes/);
    await nothingOf(stack);
  });

  describe("interrupted", () => {
    let stack: TestStack;
    before(async () => {
      stack = await create({ backendReplicas: 1 });
    });

    const converges = async (): Promise<void> => {
      const { code, output } = await stack.run("up", "--yes");
      assert.equal(code, 0, output);
      assert.equal((await call(`${stack.http}/readyz`)).status, 200);
      const all = await docker.listContainers({
        all: true,
        filters: { label: [`io.omniai.stack=${stack.name}`] },
      });
      assert.equal(all.length, 4, all.map(({ Names, Status }) => `${Names.join()} ${Status}`).join("; "));
    };

    it("by Ctrl-C half-way: says so, and the next run continues from there", async () => {
      const running = stack.start("up", "--yes");
      await running.until(/postgres.*creat/);
      running.kill("SIGINT");
      const { code, output } = await running.done;
      assert.notEqual(code, 0, output);
      await converges();
    });

    it("by SIGKILL of everything half-way: the next run clears the leftovers and continues", async () => {
      const down = await stack.run("down", "--yes");
      assert.equal(down.code, 0, down.output);
      const running = stack.start("up", "--yes");
      await running.until(/postgres.*creat/);
      killTree(running.pid);
      await running.done;
      await converges();
    });

    it("by another up: the second waits, and both succeed", async () => {
      const first = stack.start("up", "--yes", "--refresh");
      await first.until(/\S/);
      const second = stack.start("up", "--yes");
      const results = await Promise.all([first.done, second.done]);
      for (const { code, output } of results) assert.equal(code, 0, output);
    });

    it("by nothing, while another stack is brought up and removed", async () => {
      const other = await create({ backendReplicas: 1 });
      const before = await stack.containers();
      assert.ok(before.length > 0);
      const up = await other.run("up", "--yes");
      assert.equal(up.code, 0, up.output);
      assert.equal((await call(`${other.http}/readyz`)).status, 200);
      const down = await other.run("down", "--delete-data", "--yes");
      assert.equal(down.code, 0, down.output);
      assert.deepEqual(await stack.containers(), before);
      assert.equal((await call(`${stack.http}/readyz`)).status, 200);
    });
  });
});
