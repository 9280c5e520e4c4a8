/** What `npm run doctor` looks for. */
import { strict as assert } from "node:assert";
import { cloudPlugins } from "../../../commands/doctor/doctor.ts";

describe("doctor", () => {
  it("lists the plugins of the clouds that a stack uses, and no others", () => {
    assert.deepEqual(cloudPlugins({}), []);
    assert.deepEqual(cloudPlugins({ tunnelEnabled: true }), ["cloudflare"]);
    assert.deepEqual(cloudPlugins({ tunnelEnabled: false, pagesEnabled: true }), ["github"]);
  });
});
