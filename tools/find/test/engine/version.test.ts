/** Which engines are new enough. */
import { strict as assert } from "node:assert";
import { isNewEnough } from "../../engine/version.ts";

describe("engine: new enough", () => {
  it("takes engine 20.10 or API 1.41, and nothing older", () => {
    assert.equal(isNewEnough({ version: "20.10.24+dfsg1", api: "1.41" }), true);
    assert.equal(isNewEnough({ version: "29.0.0", api: "1.52" }), true);
    assert.equal(isNewEnough({ version: "5.4.2", api: "1.41" }), true);
    assert.equal(isNewEnough({ version: "19.03.15", api: "1.40" }), false);
    assert.equal(isNewEnough({ version: "19.03.15", api: "" }), false);
  });
});
