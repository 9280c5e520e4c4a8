/** What a run of Pulumi has said. */
import { strict as assert } from "node:assert";
import { plainReason, recordEvent, type RunEvents } from "../../stack/run.ts";
import { types } from "../../stack/state.ts";
import { urn } from "../support/state.ts";

describe("the events of a run", () => {
  const events = (): RunEvents => ({ changes: [], errors: [], violations: [] });
  const step = (op: string) =>
    ({ resourcePreEvent: { metadata: { op, urn: urn("b1"), type: types.container } } }) as never;
  const diagnostic = (message: string, more = {}) =>
    ({ diagnosticEvent: { message, severity: "error", urn: urn("b1"), ...more } }) as never;

  it("are the changes, without what stays as it is", () => {
    const told = events();
    for (const op of ["same", "refresh", "read", "update"]) recordEvent(told, step(op));
    assert.deepEqual(
      told.changes.map(({ op }) => op),
      ["update"],
    );
  });

  it("are the reasons of a failure, without colours and without lines that only say that it failed", () => {
    const told = events();
    recordEvent(told, diagnostic("<{%reset%}>not healthy<{%reset%}>\n"));
    recordEvent(told, diagnostic("update failed", { urn: "" }));
    recordEvent(told, diagnostic("so far", { ephemeral: true }));
    assert.deepEqual(told.errors, ["b1: not healthy"]);
  });
});

describe("a provider's reason", () => {
  it("is said once and plainly, however often it was wrapped", () => {
    const wrapped =
      "1 error occurred:\n\t* creating urn:pulumi:dev::omniai::a$b::c: 1 error occurred:\n\t* container failed to be in healthy state\n\n";
    const logged =
      '  sdk-v2/provider2.go:571: sdk.helper_schema: container failed to be in healthy state: provider="docker@5.2.0"';
    for (const message of [wrapped, logged]) {
      assert.equal(plainReason(message), "container failed to be in healthy state");
    }
    assert.equal(plainReason("executor failed: exit code: 1"), "executor failed: exit code: 1");
  });
});
