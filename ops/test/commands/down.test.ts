/** What `npm run down --delete-data` does to the state first. */
import { strict as assert } from "node:assert";
import { unprotected } from "../../commands/down.ts";
import { types, type State } from "../../stack/state.ts";
import { urn } from "../support/state.ts";

describe("data volumes that are to be deleted", () => {
  it("lose their protection in the state, and nothing else", () => {
    const state: State = { resources: [{ urn: urn("v"), type: types.volume, protect: true, id: "a" }] };
    assert.deepEqual(unprotected(state).resources, [{ urn: urn("v"), type: types.volume, id: "a" }]);
  });
});
