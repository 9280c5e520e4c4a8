/** What the edge answers during maintenance. */
import { strict as assert } from "node:assert";
import { userInfo } from "node:os";
import { maintenanceProblem } from "../../engine/maintenance.ts";

describe("maintenance", () => {
  it("tells everybody the message and names no person", () => {
    const { detail, status, ...rest } = maintenanceProblem('Back at "noon"', new Date(0));
    assert.deepEqual([detail, status], ['Back at "noon"', 503]);
    assert.doesNotMatch(JSON.stringify(rest), new RegExp(userInfo().username));
  });
});
