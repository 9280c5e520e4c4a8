/** The environment of a stack, and exceptions from its policies. */
import { strict as assert } from "node:assert";
import { ConfigError, parseConfig } from "../config/problems.ts";
import { environmentOf, isMandatory } from "../config/policy-settings.ts";
import { defaults } from "./defaults.ts";

describe("the environment of a stack", () => {
  it("is what the config or the stack's name says, whichever is stricter, else dev", () => {
    assert.equal(environmentOf("customer", "prod"), "prod");
    assert.equal(environmentOf("staging", "prod"), "prod");
    assert.equal(environmentOf("prod", "staging"), "prod");
    assert.equal(environmentOf("prod", "dev"), "prod");
    assert.equal(environmentOf("dev", "staging"), "staging");
    assert.equal(environmentOf("staging", ""), "staging");
    assert.equal(environmentOf("customer", ""), "dev");
  });
  it("cannot be weaker than the stack's name", () => {
    const keys = (stack: string, environment: string): string[] => {
      try {
        parseConfig(stack, { ...defaults, environment });
        return [];
      } catch (error) {
        assert.ok(error instanceof ConfigError);
        return error.problems.map(({ key }) => key);
      }
    };
    assert.deepEqual(keys("prod", "dev"), ["environment"]);
    assert.deepEqual(keys("prod", "staging"), ["environment"]);
    assert.deepEqual(keys("staging", "dev"), ["environment"]);
    for (const [stack, environment] of [
      ["staging", "prod"],
      ["prod", ""],
      ["customer", "dev"],
    ] as const)
      assert.deepEqual(keys(stack, environment), []);
  });
  it("makes policies mandatory everywhere but in dev", () => {
    assert.deepEqual((["dev", "staging", "prod"] as const).map(isMandatory), [false, true, true]);
  });
});

/** A day from now, in UTC. */
const inDays = (days: number): string => new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10);

describe("policy exceptions", () => {
  const good = {
    rule: "container-user",
    resource: "omniai-prod-x",
    reason: "the image drops root by itself",
    until: inDays(30),
  };
  const parse = (exception: object) => parseConfig("prod", { ...defaults, policyExceptions: [exception] });

  it("have a rule, a resource, a reason and an end", () => {
    assert.deepEqual(parse(good).policyExceptions, [good]);
    const others = { resource: "omniai-prod-backend-*", until: inDays(364) };
    assert.deepEqual(parse({ ...good, ...others }).policyExceptions, [{ ...good, ...others }]);
    assert.doesNotThrow(
      () => parse({ ...good, until: inDays(-30) }),
      "one that ended is judged by the rules",
    );
  });
  for (const [what, change] of Object.entries({
    "no reason": { reason: undefined },
    "a reason that says nothing": { reason: "because" },
    "no end": { until: undefined },
    "a day that there is not": { until: "2027-02-30" },
    "a key that there is not": { untill: inDays(30) },
    "an end that is years away": { until: inDays(400) },
    "every resource": { resource: "*" },
    "every resource, written twice": { resource: "**" },
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
