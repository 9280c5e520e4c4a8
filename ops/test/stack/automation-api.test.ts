/**
 * Holds the installed Automation API against what ops takes for granted about its private parts. A test that fails here
 * after an upgrade of @pulumi/pulumi names the part that changed; ops/stack/pulumi-command.ts has to follow it.
 */
import { strict as assert } from "node:assert";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CommandError, LocalWorkspace, PulumiCommand, Stack } from "@pulumi/pulumi/automation/index.js";
import { inOwnProcessGroup, type RunnableCommand } from "../../stack/pulumi-command.ts";
import { commandStreams } from "../../terminal/errors.ts";

/** Stands in for the CLI: answers each command that the tests need, and fails with a given text. */
const CLI = `#!/bin/sh
case "$1" in
  version) echo v3.999.0 ;;
  fail) printf '%s\\n' "$2" >&2; exit 255 ;;
  echo) printf out; printf err >&2 ;;
esac
`;

describe("private interface: the Automation API", () => {
  let folder: string;
  let official: PulumiCommand;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "omniai-automation-"));
    mkdirSync(join(folder, "bin"));
    writeFileSync(join(folder, "bin/pulumi"), CLI);
    chmodSync(join(folder, "bin/pulumi"), 0o755);
    writeFileSync(join(folder, "Pulumi.yaml"), "name: p\nruntime: nodejs\n");
    official = await PulumiCommand.get({ root: folder });
  });
  after(() => rmSync(folder, { recursive: true }));

  const theirs = (): RunnableCommand => official as RunnableCommand;
  const ours = (): RunnableCommand => inOwnProcessGroup(official, { PATH: process.env["PATH"] ?? "" });

  it("private interface: a command is an object with command, version and run", () => {
    assert.deepEqual(Object.keys(official).sort(), ["command", "version"]);
    assert.equal(theirs().run.length, 6, "run(args, cwd, env, onOutput, onError, signal)");
  });

  it("private interface: a result has the fields of ours", async () => {
    const [their, our] = [await theirs().run(["echo"], folder, {}), await ours().run(["echo"], folder, {})];
    assert.deepEqual(Object.keys(our).sort(), Object.keys(their).sort());
    for (const field of ["stdout", "stderr", "code", "err"] as const)
      assert.equal(our[field], their[field], field);
    assert.equal(our.toString(), their.toString());
  });

  const failures = {
    "a missing stack": "error: no stack named 'x' found",
    "a lock of a file backend": "error: the stack is currently locked by 1 lock(s)",
    "a lock of the service": "error: [409] Conflict: Another update is currently in progress.",
    "any other failure": "error: something else",
  };
  for (const [name, text] of Object.entries(failures)) {
    it(`private interface: ${name} is the same error from our command`, async () => {
      const errorOf = (command: RunnableCommand): Promise<unknown> =>
        command.run(["fail", text], folder, {}).then(
          () => assert.fail("it did not fail"),
          (error: unknown) => error,
        );
      const [their, our] = [await errorOf(theirs()), await errorOf(ours())];
      assert.ok(their instanceof CommandError && our instanceof CommandError);
      assert.equal(our.constructor, their.constructor);
      for (const { message } of [their, our])
        assert.ok(commandStreams(message).stderr.includes(text), `the message has another form: ${message}`);
      assert.equal(commandStreams(our.message).stderr.trim(), text);
    });
  }

  it("private interface: every call of a stack goes through run, with its listeners, signal and variables", async () => {
    const calls: { args: string[]; env: Readonly<Record<string, string>>; passed: unknown[] }[] = [];
    const recorder: RunnableCommand = {
      ...{ command: official.command, version: official.version },
      run: async (args, cwd, env, ...passed) => {
        assert.equal(cwd, folder);
        calls.push({ args, env, passed });
        return theirs()
          .run(["echo"], cwd, {})
          .then((result) => ({
            ...result,
            stdout: args.includes("history") ? '[{"kind":"update","result":"succeeded"}]' : "{}",
          }));
      },
    };
    const workspace = await LocalWorkspace.create({
      workDir: folder,
      envVars: { A: "1" },
      pulumiCommand: recorder,
    });
    const stack = await Stack.select("x", workspace);
    workspace.envVars["LATER"] = "2";
    const [onOutput, onError] = [() => undefined, () => undefined];
    const { signal } = new AbortController();
    await stack.up({ onOutput, onError, signal });
    assert.deepEqual(calls[0]?.args.slice(0, 2), ["stack", "select"]);
    assert.equal(calls[0]?.env["A"], "1");
    const up = calls.find(({ args }) => args[0] === "up") ?? assert.fail("up was not run by the command");
    assert.deepEqual(up.passed, [onOutput, onError, signal]);
    assert.deepEqual(
      [up.env["A"], up.env["LATER"]],
      ["1", "2"],
      "a rollback adds its build to the workspace",
    );
  });
});
