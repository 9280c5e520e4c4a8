/** What the policy pack reports in a run. */
import { strict as assert } from "node:assert";
import type { PolicyEvent } from "@pulumi/pulumi/automation/index.js";
import { RunFailed, recordEvent, type RunEvents } from "../../stack/run.ts";
import { describeViolations, readViolation } from "../../stack/violations.ts";
import { exit } from "../../terminal/errors.ts";

const event = (change: Partial<PolicyEvent> = {}): PolicyEvent => ({
  message:
    "<{%reset%}>A container runs as a user that is not root. (CIS Docker 4.1)\nx: it is root. Give `user`.<{%reset%}>\n",
  color: "raw",
  policyName: "container-user",
  policyPackName: "omniai",
  policyPackVersion: "0.1.0",
  policyPackVersionTag: "0.1.0",
  enforcementLevel: "mandatory",
  ...change,
});

describe("what the policy pack says", () => {
  it("is read without the rule's description and the colours", () => {
    assert.deepEqual(readViolation(event()), {
      rule: "container-user",
      message: "x: it is root. Give `user`.",
      mandatory: true,
    });
    assert.equal(readViolation(event({ enforcementLevel: "warning" })).mandatory, false);
  });

  it("is one line for each violation", () => {
    const violation = readViolation(event());
    assert.match(
      describeViolations([violation]),
      /^1 policy does not hold\.\n {2}container-user: x: it is root/,
    );
    assert.match(describeViolations([violation, violation]), /^2 policies do not hold\./);
  });

  it("ends a run with an exit code of its own, but only when the policy is mandatory", () => {
    const failed = (change: Partial<PolicyEvent>): RunFailed => {
      const events: RunEvents = { changes: [], errors: [], violations: [] };
      recordEvent(events, { sequence: 1, timestamp: 1, policyEvent: event(change) });
      return new RunFailed("previewing stack prod", events, new Error("preview failed"));
    };
    assert.equal(failed({}).exitCode, exit.policy);
    assert.match(failed({}).message, /^Stopped while previewing stack prod: 1 policy does not hold\./);
    assert.match(failed({}).remedy, /omniai:policyExceptions/);
    assert.equal(failed({ enforcementLevel: "warning" }).exitCode, exit.failed);
  });
});
