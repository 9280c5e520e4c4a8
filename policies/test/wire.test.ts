/** Reading what comes over the wire. */
import { strict as assert } from "node:assert";
import { runtime } from "@pulumi/pulumi";
import { isUnknownValue, knownFirst } from "../rule.ts";
import { textsOf } from "../wire.ts";

describe("the texts of a resource", () => {
  it("have their path, and whether they are in a secret", () => {
    const secret = { [runtime.specialSigKey]: runtime.specialSecretSig, value: ["a", { b: "c" }] };
    assert.deepEqual(textsOf({ envs: ["X=1", secret], name: "n", memory: 3 }), [
      { path: "envs.0", value: "X=1", secret: false },
      { path: "envs.1.0", value: "a", secret: true },
      { path: "envs.1.1.b", value: "c", secret: true },
      { path: "name", value: "n", secret: false },
    ]);
  });
  it("count a secret number as one", () =>
    assert.deepEqual(
      textsOf({ port: { [runtime.specialSigKey]: runtime.specialSecretSig, value: 5432 } }).map(
        ({ secret }) => secret,
      ),
      [true],
    ));
  it("are none of nothing", () => assert.deepEqual(textsOf(undefined), []));
});

describe("a list with an unknown item", () => {
  it("gives the known ones first, and then says so", () => {
    const list = ["a", "", "c"];
    Object.defineProperty(list, 1, {
      get: () => {
        throw Object.assign(new Error("unknown"), { unknownTypeSentinel: "" });
      },
    });
    const seen: string[] = [];
    assert.throws(() => {
      for (const item of knownFirst(list)) seen.push(item);
    }, isUnknownValue);
    assert.deepEqual(seen, ["a", "c"]);
  });
});
