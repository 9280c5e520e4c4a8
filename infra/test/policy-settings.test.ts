import assert from "node:assert/strict";
import { ConfigError, parseConfig } from "../config.ts";
import { environmentOf, isMandatory } from "../policy-settings.ts";
import { defaults } from "./defaults.ts";

describe("the environment of a stack", () => {
  it("is what the config says, else the stack's name, else dev", () => {
    assert.equal(environmentOf("customer", "prod"), "prod");
    assert.equal(environmentOf("prod", "staging"), "staging");
    assert.equal(environmentOf("staging", ""), "staging");
    assert.equal(environmentOf("customer", ""), "dev");
  });
  it("makes policies mandatory everywhere but in dev", () => {
    assert.deepEqual((["dev", "staging", "prod"] as const).map(isMandatory), [false, true, true]);
  });
});

describe("policy exceptions", () => {
  const good = {
    rule: "container-user",
    resource: "omniai-prod-x",
    reason: "the image drops root by itself",
    until: "2027-01-31",
  };
  const parse = (exception: object) => parseConfig("prod", { ...defaults, policyExceptions: [exception] });

  it("have a rule, a resource, a reason and an end", () => {
    assert.deepEqual(parse(good).policyExceptions, [good]);
  });
  for (const [what, change] of Object.entries({
    "no reason": { reason: undefined },
    "a reason that says nothing": { reason: "because" },
    "no end": { until: undefined },
    "a day that there is not": { until: "2027-02-30" },
    "a key that there is not": { untill: "2027-01-31" },
  })) {
    it(`are refused with ${what}`, () =>
      assert.throws(
        () => parse({ ...good, ...change }),
        (error) => {
          assert.ok(error instanceof ConfigError);
          assert.equal(error.problems[0]?.key, "policyExceptions");
          return true;
        },
      ));
  }
});
