/** How errors become words and exit codes. */
import { strict as assert } from "node:assert";
import { commandError, CommandResult } from "../../stack/pulumi-command.ts";
import { commandStreams, exit, explain, lastLines, OpsError } from "../../terminal/errors.ts";

describe("errors", () => {
  it("keep what, remedy and exit code", () => {
    assert.deepEqual(explain(new OpsError("a", "b", exit.usage)), { what: "a", remedy: "b", exitCode: 2 });
  });

  it("of the CLI are split into its streams, and its last lines are kept", () => {
    const text = new CommandResult(
      "out\n",
      "warning: using pulumi-x from $PATH\nerror: bad\n\n",
      255,
    ).toString();
    const { stdout, stderr } = commandStreams(text);
    assert.equal(stdout, "out\n");
    assert.equal(lastLines(stderr), "error: bad");
  });

  it("that nobody foresaw say how to see more", () => {
    assert.match(explain(new TypeError("x is undefined")).remedy ?? "", /OMNIAI_DEBUG=1/);
  });

  const known: [string, RegExp, number][] = [
    [
      "error: incorrect passphrase",
      /encrypted with another passphrase[\s\S]*\.state\/passphrase/,
      exit.failed,
    ],
    ["error: passphrase must be set with PULUMI_CONFIG_PASSPHRASE", /backend of your own/, exit.failed],
    ["error: PULUMI_ACCESS_TOKEN must be set for login", /asks for a login[\s\S]*pulumi login/, exit.failed],
    ["error: write /x: no space left on device", /disk is full[\s\S]*docker system df/, exit.failed],
    [
      "error: the stack is currently locked by 1 lock(s)",
      /locked by[\s\S]*Wait until the other run/,
      exit.locked,
    ],
    ["error: something new", /Pulumi failed:\nerror: something new/, exit.failed],
  ];
  for (const [stderr, words, code] of known) {
    it(`of the CLI become words: ${stderr}`, () => {
      const { what, remedy, exitCode } = explain(commandError(new CommandResult("", stderr, 255)));
      assert.match(`${what}\n${remedy ?? ""}`, words);
      assert.equal(exitCode, code);
    });
  }

  it("about a full disk say so also when Node meets it", () => {
    const error = Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
    assert.equal(explain(error).what, "The disk is full.");
  });
});
