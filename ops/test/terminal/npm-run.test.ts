/** The command lines in messages. */
import { strict as assert } from "node:assert";
import { npmRun } from "../../terminal/npm-run.ts";

describe("a command line in a message", () => {
  it("can be typed as it is, and leaves out the default stack", () => {
    assert.equal(npmRun("up", "dev"), "npm run up");
    assert.equal(npmRun("up", "prod"), "npm run up -- --stack prod");
    assert.equal(npmRun("logs", "dev", "backend"), "npm run logs -- backend");
    assert.equal(npmRun("down", "prod", "--delete-data"), "npm run down -- --delete-data --stack prod");
  });
});
