/** Waiting for Pulumi's own lock, as the CLI itself tells of it. */
import { strict as assert } from "node:assert";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LocalWorkspace, PulumiCommand, Stack } from "@pulumi/pulumi/automation/index.js";
import { holdersIn, patient } from "../../stack/lock-wait.ts";
import { inOwnProcessGroup } from "../../stack/pulumi-command.ts";
import { clearState } from "../../stack/recover.ts";
import { types, type State } from "../../stack/state.ts";
import { OpsError } from "../../terminal/errors.ts";
import { containerView } from "../support/container.ts";

describe("who holds a lock", () => {
  it("is named as far as the backend names it", () => {
    const bucket =
      "error: the stack is currently locked by 1 lock(s). Either wait for the other process(es) to end or delete the lock " +
      "file with `pulumi cancel`.\n  s3://b/.pulumi/locks/x.json: created by ada@runner-1 (pid 17) at 2026-11-26T10:00:00Z";
    assert.equal(holdersIn(bucket), "pid 17 of ada on runner-1, since 2026-11-26T10:00:00Z");
    assert.equal(
      holdersIn("error: [409] Conflict: Another update is currently in progress."),
      "another update",
    );
  });
});

describe("a stack that another machine has locked @engine", function () {
  this.timeout(60_000);
  let folder: string;
  let stack: Stack;
  let said: string[] = [];
  const waiting = {
    seconds: 30,
    say: (line: string): void => {
      said.push(line);
      // The other run ends as soon as somebody waits for it.
      rmSync(lock());
    },
  };
  const lock = (): string => join(folder, "state/.pulumi/locks/organization/p/x/of-another.json");
  const held = (): void => {
    mkdirSync(join(lock(), ".."), { recursive: true });
    const timestamp = "2026-11-26T10:00:00Z";
    writeFileSync(lock(), JSON.stringify({ pid: 17, username: "ada", hostname: "runner-1", timestamp }));
  };

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "omniai-lock-wait-"));
    mkdirSync(join(folder, "state"));
    writeFileSync(join(folder, "Pulumi.yaml"), "name: p\nruntime: nodejs\n");
    const own = inOwnProcessGroup(await PulumiCommand.get(), process.env as Record<string, string>);
    const workspace = await LocalWorkspace.create({
      workDir: folder,
      envVars: { PULUMI_BACKEND_URL: `file://${folder}/state`, PULUMI_CONFIG_PASSPHRASE: "test" },
      pulumiCommand: patient(own, "x", waiting, 200),
    });
    stack = await Stack.create("x", workspace);
  });
  beforeEach(() => {
    said = [];
    waiting.seconds = 30;
    held();
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it("is waited for, and who has it is said once and in our words", async () => {
    const errors: string[] = [];
    await stack.refresh({ onError: (text) => void errors.push(text) });
    assert.deepEqual(said, [
      "Stack x is locked by pid 17 of ada on runner-1, since 2026-11-26T10:00:00Z; waiting for it, at most 30 s.",
    ]);
    assert.doesNotMatch(errors.join(""), /locked/);
  });

  it("is given up after the time to wait, with a way to remove a lock that was left behind", async () => {
    waiting.seconds = 0;
    await assert.rejects(stack.refresh(), (error: unknown) => {
      assert.ok(error instanceof OpsError);
      assert.match(error.message, /locked by pid 17 of ada on runner-1/);
      assert.match(error.remedy, /npm run stack -- unlock x\n.*--lock-wait/);
      return true;
    });
    assert.ok(existsSync(lock()), "it is only looked at");
    await stack.cancel();
    assert.deepEqual(
      readdirSync(join(lock(), "..")).filter((name) => name.endsWith(".json")),
      [],
    );
  });

  it("is read again after the wait: what its run had not finished is not called interrupted, and no older state is written", async () => {
    const urn = `urn:pulumi:x::p::${types.container}::replica`;
    const of = (id: string) => ({ urn, type: types.container, custom: true, id });
    const file = join(folder, "state/.pulumi/stacks/p/x.json");
    const write = (latest: State): void => {
      const whole = JSON.parse(readFileSync(file, "utf8")) as { checkpoint: { latest?: State } };
      const checkpoint = { ...whole.checkpoint, latest: { ...whole.checkpoint.latest, ...latest } };
      writeFileSync(file, JSON.stringify({ ...whole, checkpoint }));
    };
    write({ resources: [of("old")], pending_operations: [{ type: "creating", resource: of("new") }] });
    const engine: string[] = [];
    const say = (line: string): void => {
      said.push(line);
      // The other run ends as such runs do: with its own container in the place of the old one.
      write({ resources: [of("new")], pending_operations: undefined });
      rmSync(lock());
    };
    const cleared = await clearState({ name: "x", state: stack, waiting: { ...waiting, say } }, () => {
      engine.push(engine.length === 0 ? "old" : "new");
      return Promise.resolve(engine.slice(-1).map((id) => containerView({ id })));
    });
    assert.deepEqual(engine, ["old", "new"], "looked at again after the wait");
    assert.deepEqual(cleared, { operations: [], gone: [] });
    assert.deepEqual(
      ((await stack.exportStack()).deployment as State).resources?.map(({ id }) => id),
      ["new"],
    );
  });
});
