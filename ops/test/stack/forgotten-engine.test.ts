/** What Pulumi itself does with the record of what a state has forgotten. The tag is for the CLI. */
import { strict as assert } from "node:assert";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ComponentResource, type Inputs } from "@pulumi/pulumi";
import { LocalWorkspace, type Stack } from "@pulumi/pulumi/automation/index.js";
import { forget, remember } from "../../stack/forgotten.ts";
import { recordIn } from "../../stack/forgotten-record.ts";
import { exportState } from "../../stack/open-stack.ts";
import { nameOf, resourcesOf, type State } from "../../stack/state.ts";

class Part extends ComponentResource {
  constructor(name: string) {
    super("omniai:Part", name, {}, {});
    this.registerOutputs({ result: name } satisfies Inputs);
  }
}

describe("the record of what a state has forgotten @engine", function () {
  this.timeout(300_000);
  const folder = mkdtempSync(join(tmpdir(), "omniai-forgotten-"));
  const envVars = {
    PULUMI_BACKEND_URL: `file://${folder}`,
    PULUMI_CONFIG_PASSPHRASE: "test",
    PULUMI_SKIP_UPDATE_CHECK: "true",
  };
  /** The program of the next update. */
  let program: () => void;
  let stack: Stack;
  const all = (): void =>
    ["omniai-t-redis-data", "omniai-t-redis-claim", "other"].forEach((name) => new Part(name));
  const where = () => ({
    handle: { name: "t", state: stack, waiting: { seconds: 5, say: () => undefined } },
  });
  const names = (state: State): string[] =>
    resourcesOf(state)
      .map(({ urn }) => nameOf(urn))
      .filter((name) => /redis|other|forgotten/.test(name))
      .sort();
  const whole = ["omniai-t-redis-claim", "omniai-t-redis-data", "other"];

  before(async () => {
    stack = await LocalWorkspace.createStack(
      { stackName: "t", projectName: "omniai", program: () => Promise.resolve().then(program) },
      { envVars },
    );
  });
  beforeEach(async () => {
    program = all;
    await stack.up();
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const forgetRedis = async (): Promise<void> => {
    const urns = resourcesOf(await exportState(where().handle))
      .map(({ urn }) => urn)
      .filter((urn) => nameOf(urn).includes("redis"));
    const state = await forget(where(), urns);
    assert.deepEqual(names(state), ["omniai-t-forgotten", "other"]);
  };

  it("outlives an update that fails before it comes to that, and any machine gives it back", async () => {
    await forgetRedis();
    program = () => {
      throw new Error("on purpose");
    };
    await assert.rejects(stack.up());
    // Another machine: only the backend is the same.
    stack = await LocalWorkspace.selectStack(
      { stackName: "t", projectName: "omniai", program: () => Promise.resolve().then(program) },
      { envVars },
    );
    const failed = await exportState(where().handle);
    assert.ok(recordIn(failed) !== undefined);
    assert.deepEqual(names(await remember(where(), failed)), whole);
    program = all;
    const { summary } = await stack.up();
    assert.deepEqual(summary.resourceChanges, { same: 4 });
  });

  it("outlives a refresh, and is gone after an update that went through", async () => {
    await forgetRedis();
    await stack.refresh();
    assert.ok(recordIn(await exportState(where().handle)) !== undefined);
    const { summary } = await stack.up();
    assert.deepEqual(summary.resourceChanges, { create: 2, delete: 1, same: 2 });
    const state = await exportState(where().handle);
    assert.deepEqual(names(state), whole);
    assert.equal(await remember(where(), state), state);
  });
});
