/** How errors become words and exit codes. */
import assert from "node:assert/strict";
import { CommandResult } from "../../stack/pulumi-command.ts";
import { commandStreams, EXIT, explain, lastLines, OpsError } from "../../terminal/errors.ts";

describe("errors", () => {
  it("keep what, remedy and exit code", () => {
    assert.deepEqual(explain(new OpsError("a", "b", EXIT.usage)), { what: "a", remedy: "b", exitCode: 2 });
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
});
