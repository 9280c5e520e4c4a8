/** Which systems can run a stack's program. */
import { strict as assert } from "node:assert";
import { checkPlatform, whyNoProgram } from "../../stack/platform.ts";
import { OpsError } from "../../terminal/errors.ts";

describe("a system", () => {
  it("is refused by name where it cannot run a stack's program, with what can be done there", () => {
    assert.throws(
      () => checkPlatform("win32"),
      (error: unknown) => {
        assert.ok(error instanceof OpsError);
        assert.match(error.message, /^Windows itself cannot run/);
        assert.match(error.remedy, /WSL 2/);
        return error.exitCode === 2;
      },
    );
    for (const platform of ["linux", "darwin"] as const) {
      assert.equal(whyNoProgram(platform), undefined);
      checkPlatform(platform);
    }
  });
});
