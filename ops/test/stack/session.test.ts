/** What a command needs before it begins. */
import { strict as assert } from "node:assert";
import { fillsDisk } from "../../stack/session.ts";

describe("a full disk of the engine", () => {
  it("refuses what brings images and data, and nothing that may be the way out", () => {
    for (const lock of ["up", "adopt", "restore", "upgrade"]) assert.ok(fillsDisk({ lock }), lock);
    for (const lock of ["down", "rollback", "restart", "host", undefined])
      assert.ok(!fillsDisk({ lock }), lock);
  });
});
