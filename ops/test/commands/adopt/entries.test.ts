/** What Pulumi would make, as entries of a state. */
import { strict as assert } from "node:assert";
import type { StepEventMetadata } from "@pulumi/pulumi/automation/index.js";
import {
  entryOf,
  isUnknown,
  namesInvented,
  plannedBy,
  secretOutput,
  type Planned,
} from "../../../commands/adopt/entries.ts";

const ENGINE = "urn:pulumi:dev::omniai::pulumi:providers:docker::engine";
const network: Planned = {
  urn: "urn:pulumi:dev::omniai::docker:index/network:Network::omniai-dev-app",
  type: "docker:index/network:Network",
  custom: true,
  parent: "urn:pulumi:dev::omniai::omniai:network:Networks::dev-networks",
  provider: ENGINE,
  protect: false,
  inputs: { name: "omniai-dev-app", __defaults: [] },
};

describe("what is adopted into a state", () => {
  it("is what a preview would create, with its provider and without the provider's id, which nobody knows yet", () => {
    const step = (op: string) =>
      ({
        op,
        new: { ...network, provider: `${ENGINE}::04da6b54-80e4-46f7-96ec-b56ff0331ba9` },
      }) as unknown as StepEventMetadata;
    assert.deepEqual(plannedBy(step("create")), network);
    assert.equal(plannedBy(step("same")), undefined);
  });

  it("has another value in the place of each secret, which a preview does not tell", () => {
    const hidden = {
      "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270",
      ciphertext: "[secret]",
    };
    const step = { op: "create", new: { ...network, inputs: { create: "x", list: [{ stdin: hidden }] } } };
    assert.deepEqual(plannedBy(step as unknown as StepEventMetadata)?.inputs, {
      create: "x",
      list: [{ stdin: secretOutput("not known when it was adopted") }],
    });
  });

  it("waits while a part of its inputs is known only later", () => {
    assert.ok(isUnknown({ volumes: [{ volumeName: "04da6b54-80e4-46f7-96ec-b56ff0331ba9" }] }));
    assert.ok(isUnknown({ labels: "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2" }));
    assert.ok(!isUnknown({ name: "a", memory: 4, none: null, flag: false }));
  });

  it("waits while it names another resource as this plan alone does", () => {
    const volume = (defaults: string[]): Planned => ({
      ...network,
      inputs: { name: "files-1a2b3c4", __defaults: defaults },
    });
    const user: Planned = { ...network, inputs: { volumes: [{ volumeName: "files-1a2b3c4" }] } };
    const invented = volume(["name"]);
    assert.ok(namesInvented(user, [invented, user]));
    assert.ok(!namesInvented(user, [volume([]), user]), "a name of the program's");
    assert.ok(!namesInvented(invented, [invented, user]), "its own");
  });

  it("has the id and the name that are there, and its provider by the id that the state gave it", () => {
    const { created, ...entry } = entryOf(
      network,
      { id: "f00", inputs: { name: "its-own" }, outputs: { scope: "local" } },
      new Map([[ENGINE, "7"]]),
    );
    assert.ok(Date.parse(String(created)) > 0);
    assert.deepEqual(entry, {
      ...{ urn: network.urn, type: network.type, custom: true, parent: network.parent, id: "f00" },
      inputs: { name: "its-own", __defaults: [] },
      outputs: { name: "its-own", __defaults: [], scope: "local" },
      provider: `${ENGINE}::7`,
    });
  });

  it("stays protected, and a component has neither id nor inputs", () => {
    assert.equal(entryOf({ ...network, protect: true }, { id: "1" }, new Map()).protect, true);
    const component = { ...network, custom: false, provider: "", inputs: {} };
    assert.deepEqual(Object.keys(entryOf(component, undefined, new Map())).sort(), [
      "created",
      "custom",
      "parent",
      "type",
      "urn",
    ]);
  });
});
