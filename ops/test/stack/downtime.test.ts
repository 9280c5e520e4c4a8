/** What people will notice of a run. */
import { strict as assert } from "node:assert";
import { describeDowntime } from "../../stack/downtime.ts";
import { types } from "../../stack/state.ts";
import { urn } from "../support/state.ts";

describe("the downtime of a run", () => {
  it("names each workload that is gone for a moment once, and none that runs beside its successor", () => {
    const change = (op: string, name: string) => ({
      ...{ op, type: types.container, urn: urn(`omniai-dev-${name}`, types.container) },
    });
    const changes = [
      change("delete-replaced", "edge"),
      change("replace", "edge"),
      change("create-replacement", "backend-1"),
      change("update", "redis"),
    ];
    const [line, ...others] = describeDowntime(changes, "dev");
    assert.match(line ?? "", /^nginx itself is replaced/);
    assert.deepEqual(others, []);
    assert.deepEqual(describeDowntime(changes, "prod"), []);
  });
});
