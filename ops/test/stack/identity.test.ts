/** Whether a stack is on the engine and the data that its state knows. */
import { strict as assert } from "node:assert";
import { withoutResources } from "../../stack/forgotten-record.ts";
import { endOf, judgeVolume, knownVolumes, recordedEngine } from "../../stack/identity.ts";
import type { KnownVolume } from "../../stack/looked.ts";
import { types, type State, type StateResource } from "../../stack/state.ts";
import { urn } from "../support/state.ts";

const resource = (name: string, type: string, more: Partial<StateResource> = {}): StateResource => ({
  urn: urn(name, type),
  type,
  ...more,
});
const volume = resource("omniai-dev-postgres-data", types.volume, { created: "2026-01-02T00:00:00Z" });
const identity = resource("omniai-dev-postgres-identity", types.uuid, {
  created: "2026-01-03T00:00:00Z",
  outputs: { result: "mine" },
});
const claim = resource("omniai-dev-postgres-claim", types.command);

describe("the data that the state knows", () => {
  const known = (servedAt: string | undefined, ...resources: StateResource[]): KnownVolume | undefined =>
    knownVolumes({ resources }, "dev", servedAt)[0];

  it("has its identity once it was claimed", () => {
    assert.deepEqual(known(undefined, volume, identity, claim), {
      ...{ workload: "postgres", volume: "omniai-dev-postgres-data", identity: "mine" },
      ...{ declared: true, claimed: true, since: "2026-01-03T00:00:00Z" },
    });
    assert.equal(known(undefined, volume, identity)?.claimed, false, "a first deploy was cut off");
  });

  it("had it at the last good deploy, also where `down` has taken the claim away", () => {
    assert.equal(known("2026-01-04T00:00:00.000Z", volume, identity)?.claimed, true);
    assert.equal(known("2026-01-02T12:00:00.000Z", volume, identity)?.claimed, false, "of the data before");
    // A deploy is known by its beginning, and made the data after that.
    const ended = endOf({ time: "2026-01-02T23:59:30.000Z", seconds: 95.5 });
    assert.equal(ended, "2026-01-03T00:01:05.500Z");
    assert.equal(known(ended, volume, identity)?.claimed, true, "the stack's only deploy");
  });

  it("is declared as long as the state has the volume", () => {
    assert.equal(known("", volume, identity)?.declared, true);
    assert.equal(known("", identity)?.declared, false);
  });

  it("is known by its volume where it is from before there were identities, and by its identity without a volume", () => {
    assert.deepEqual([known("", volume)?.claimed, known("", volume)?.identity], [true, undefined]);
    assert.equal(known("", identity, claim)?.claimed, true, "a plain refresh has dropped the volume");
    assert.equal(known(""), undefined);
  });
});

describe("a data volume", () => {
  const claimed: KnownVolume = {
    ...{ workload: "redis", volume: "v", identity: "mine" },
    ...{ declared: true, claimed: true },
  };
  const fresh: KnownVolume = { ...claimed, declared: false, claimed: false };
  const cases: [string, KnownVolume, boolean, string | undefined, string | undefined][] = [
    ["is right with its identity", claimed, true, "mine", undefined],
    ["is gone when the engine has none of its name", claimed, false, undefined, "gone"],
    ["was emptied when it has no identity any more", claimed, true, undefined, "emptied"],
    ["is another one with another identity", claimed, true, "theirs", "other"],
    ["is right when it was never made and is not there", fresh, false, undefined, undefined],
    [
      "is gone when the state still has it, as after `down`",
      { ...fresh, declared: true },
      false,
      undefined,
      "gone",
    ],
    [
      "is right when it was never claimed and is empty",
      { ...claimed, claimed: false },
      true,
      undefined,
      undefined,
    ],
    ["is another one before it was claimed, too", { ...claimed, claimed: false }, true, "theirs", "other"],
    ["is right without identities", { ...claimed, identity: undefined }, true, undefined, undefined],
    ["is gone without identities, too", { ...claimed, identity: undefined }, false, undefined, "gone"],
  ];
  for (const [what, known, there, found, kind] of cases)
    it(what, () => assert.equal(judgeVolume(known, there, found)?.kind, kind));

  it("was moved away where a move says so, whatever was claimed, and is right again with its identity", () => {
    for (const known of [claimed, { ...claimed, claimed: false }])
      assert.equal(judgeVolume(known, true, undefined, true)?.kind, "moved");
    assert.equal(judgeVolume(claimed, true, "mine", true), undefined);
  });
});

describe("the engine that the state knows", () => {
  const state = (stdout: unknown): State => ({
    resources: [resource("omniai-dev-engine", types.command, { outputs: { stdout } })],
  });

  it("is what the engine called itself, and nobody where it has no id or said something else", () => {
    assert.deepEqual(recordedEngine(state('{"id":"A:B","name":"box"}'), "dev"), { id: "A:B", name: "box" });
    for (const stdout of ['{"id":"","name":"podman"}', "", "no JSON", "[]", undefined])
      assert.equal(recordedEngine(state(stdout), "dev"), undefined, String(stdout));
    assert.equal(recordedEngine({}, "dev"), undefined);
  });
});

describe("resources that the state forgets", () => {
  it("are gone, also from what others depend on", () => {
    const server = resource("omniai-dev-postgres", types.container, {
      dependencies: [claim.urn, volume.urn],
      propertyDependencies: { volumes: [volume.urn], envs: [identity.urn] },
    });
    const state: State = { resources: [volume, identity, claim, server] };
    assert.deepEqual(withoutResources(state, [identity.urn, claim.urn]).resources, [
      volume,
      {
        ...server,
        dependencies: [volume.urn],
        propertyDependencies: { volumes: [volume.urn], envs: [] },
      },
    ]);
  });
});
