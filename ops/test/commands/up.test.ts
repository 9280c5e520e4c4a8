/** When `npm run up` asks the engine for drift first. */
import { strict as assert } from "node:assert";
import { refreshes } from "../../commands/up.ts";
import { failedResources, type State } from "../../stack/state.ts";
import { container } from "../support/state.ts";

describe("a container that never got healthy", () => {
  const state: State = { resources: [container("b1", "1", "backend", 1, { initErrors: ["not healthy"] })] };

  it("is marked in the state and forbids a refresh, which would remove the mark", () => {
    assert.equal(failedResources(state).length, 1);
    assert.equal(refreshes(state, true), false);
    assert.equal(refreshes({}, true), true);
    assert.equal(refreshes({}, false), false);
  });
});
