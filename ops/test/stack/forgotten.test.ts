/** What a state forgets so that data begins anew, and gets back when it does not come to that. */
import { strict as assert } from "node:assert";
import {
  forgottenOf,
  recordIn,
  remembered,
  withForgotten,
  withoutResources,
  withRecord,
} from "../../stack/forgotten-record.ts";
import { types, type State, type StateResource } from "../../stack/state.ts";
import { urn } from "../support/state.ts";

describe("what the state has forgotten", () => {
  const provider: StateResource = { urn: urn("engine", "pulumi:providers:docker"), type: "p", id: "p1" };
  const parent: StateResource = { urn: urn("database", "omniai:Database"), type: "omniai:Database" };
  const own = { parent: parent.urn, provider: `${provider.urn}::p1` };
  const volume = {
    urn: urn("omniai-dev-redis-data", types.volume),
    type: types.volume,
    id: "v",
    protect: true,
    ...own,
  };
  const claim = {
    urn: urn("omniai-dev-redis-claim", types.command),
    type: types.command,
    ...own,
    dependencies: [volume.urn],
  };
  const server: StateResource = {
    ...{ urn: urn("server"), type: types.container, ...own },
    dependencies: [volume.urn, claim.urn],
    propertyDependencies: { volumes: [volume.urn], name: [] },
  };
  const before: State = { resources: [provider, parent, volume, claim, server] };
  const gone = [volume.urn, claim.urn];
  const forgotten = forgottenOf(before, gone);
  const without = withoutResources(before, gone);

  it("comes back whole, with what others say of it", () => {
    assert.notDeepEqual(without, before);
    assert.deepEqual(withForgotten(without, forgotten), { state: before, back: gone });
  });

  it("comes back into the state as it is now, not as it was", () => {
    const [one, two, last] = without.resources ?? [];
    assert.ok(one && two && last);
    const other: StateResource = { urn: urn("other"), type: types.container, id: "new" };
    const now: State = { resources: [one, two, other, { ...last, id: "replaced" }] };
    const found = withForgotten(now, forgotten).state.resources ?? [];
    assert.deepEqual(
      found.map(({ urn: name }) => name),
      [provider, parent, volume, claim, other, server].map(({ urn: name }) => name),
      "each behind what it needs",
    );
    assert.deepEqual(found.at(-1), { ...server, id: "replaced" });
  });

  it("stays away where some of it was made anew", () => {
    const anew: State = { resources: [...(without.resources ?? []), { ...claim, dependencies: [] }] };
    assert.deepEqual(withForgotten(anew, forgotten), { state: anew, back: [] });
  });

  it("comes back for one workload where another's, or the record of the engine, was made anew", () => {
    const record = { urn: urn("omniai-dev-engine", types.command), type: types.command };
    const other = { urn: urn("omniai-dev-postgres-identity", types.uuid), type: types.uuid };
    const more: State = { resources: [...(before.resources ?? []), record, other] };
    const all = [...gone, record.urn, other.urn];
    const made: State = { resources: [...(without.resources ?? []), record, other] };
    const { state, back } = withForgotten(made, forgottenOf(more, all));
    assert.deepEqual(back, gone);
    assert.deepEqual(state, more);
  });

  it("stays away from a stack that was made anew, which has another provider", () => {
    for (const resources of [[{ ...provider, id: "p2" }, parent], [provider]])
      assert.deepEqual(withForgotten({ resources }, forgotten), { state: { resources }, back: [] });
  });

  it("is kept in the state itself, where every machine finds it", () => {
    const kept = withRecord(before, gone);
    assert.deepEqual(recordIn(kept), forgotten);
    const record = kept.resources?.at(-1);
    assert.match(record?.urn ?? "", /^urn:pulumi:dev::[a-z]+::omniai:Forgotten::omniai-dev-forgotten$/);
    assert.deepEqual({ ...kept, resources: kept.resources?.slice(0, -1) }, without);
    // Through a backend, as JSON.
    const read = JSON.parse(JSON.stringify(kept)) as State;
    assert.deepEqual(remembered(read), { state: before, back: gone });
    const made: State = { resources: [...(read.resources ?? []), claim] };
    assert.deepEqual(remembered(made).back, []);
    assert.equal(recordIn(remembered(made).state), undefined);
  });

  it("is not guessed where the record is broken, and absent where there is none", () => {
    assert.deepEqual(remembered(before), { state: before, back: [] });
    const kept = withRecord(before, gone);
    const broken: State = {
      resources: (kept.resources ?? []).map((one) =>
        one.type === "omniai:Forgotten" ? { ...one, outputs: { resources: "{" } } : one,
      ),
    };
    assert.throws(() => remembered(broken), /cannot be read/);
  });
});
