/** From rules to verdicts: levels, exceptions, unknown values. */
import { strict as assert } from "node:assert";
import type {
  PolicyResource,
  ResourceValidation,
  ResourceValidationPolicy,
  StackValidationPolicy,
} from "@pulumi/policy";
import type { PolicyException } from "../../infra/config/policy-settings.ts";
import { describeException, exceptionFor, isExpired } from "../exceptions.ts";
import { Judge, REMARKS, type Run } from "../judge.ts";
import { containerUser } from "../rules/container-user.ts";
import { hostCapacity } from "../rules/host-capacity.ts";
import { imageDigest } from "../rules/image-digest.ts";
import { container, stackContext } from "./support/cases.ts";

const now = new Date("2026-11-24T12:00:00Z");
const run: Run = { ...stackContext, preview: true, exceptions: [], now };
const exception: PolicyException = {
  rule: "container-user",
  resource: "omniai-prod-backend-*",
  reason: "the image drops root by itself",
  until: "2026-11-24",
};

const judgeOf = (changes: Partial<Run> = {}): Judge => {
  const judge = new Judge([containerUser, hostCapacity, imageDigest]);
  judge.begin({ ...run, ...changes });
  return judge;
};

const level = (judge: Judge, name: string) =>
  judge.policies.find((policy) => policy.name === name)?.enforcementLevel;

/** What the engine would hand over, and what is reported. */
async function validate(judge: Judge, props: object): Promise<string[]> {
  const reported: string[] = [];
  const policy = judge.policies.find(({ name }) => name === "container-user") as ResourceValidationPolicy;
  const { urn, type, name, options: opts } = container();
  const args = { urn, type, name, opts, props } as unknown as Parameters<ResourceValidation>[0];
  await (policy.validateResource as ResourceValidation)(args, (message) => void reported.push(message));
  return reported;
}

async function remarks(judge: Judge): Promise<string[]> {
  const reported: string[] = [];
  const policy = judge.policies.find(({ name }) => name === REMARKS) as StackValidationPolicy;
  const resources: PolicyResource[] = [];
  const args = { resources } as unknown as Parameters<StackValidationPolicy["validateStack"]>[0];
  await policy.validateStack(args, (message) => void reported.push(message));
  return reported;
}

/** As @pulumi/policy hands a preview's properties over. */
const unknownUser = {
  get user(): string {
    throw Object.assign(new Error("string value at .user can't be known during preview"), {
      unknownTypeSentinel: "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
    });
  },
};

describe("levels", () => {
  it("stop in staging and prod, and only show in dev", () => {
    assert.equal(level(judgeOf({ environment: "prod" }), "container-user"), "mandatory");
    assert.equal(level(judgeOf({ environment: "staging" }), "container-user"), "mandatory");
    assert.equal(level(judgeOf({ environment: "dev" }), "container-user"), "advisory");
  });
  it("leave out what is for another environment", () => {
    assert.equal(level(judgeOf({ environment: "prod" }), "image-digest"), "mandatory");
    assert.equal(level(judgeOf({ environment: "staging" }), "image-digest"), "disabled");
  });
  it("never make a remark stop a run", () => assert.equal(level(judgeOf(), REMARKS), "advisory"));
  it("are needed: without a stack nothing passes", async () => {
    await assert.rejects(validate(new Judge([containerUser]), { user: "root" }), /did not say which stack/);
  });
});

describe("a violation", () => {
  it("names the resource, what is wrong and what to do", async () => {
    const [message] = await validate(judgeOf(), { user: "root" });
    assert.match(message ?? "", /^omniai-prod-backend-1: its user is "root".*Set `user` to uid:gid/);
  });
  it("is none where an exception holds, which is shown", async () => {
    const judge = judgeOf({ exceptions: [exception] });
    assert.deepEqual(await validate(judge, { user: "root" }), []);
    assert.deepEqual(await remarks(judge), [
      "Exception from container-user for omniai-prod-backend-*, until 2026-11-24: the image drops root by itself",
    ]);
  });
  it("is one again where the exception has ended", async () => {
    const judge = judgeOf({ exceptions: [{ ...exception, until: "2026-11-23" }] });
    const [message] = await validate(judge, { user: "root" });
    assert.match(message ?? "", /Its exception ended with 2026-11-23\./);
    assert.match((await remarks(judge))[0] ?? "", /which ended with 2026-11-23/);
  });
});

describe("exceptions", () => {
  it("hold to the end of their last day, in UTC", () => {
    assert.equal(isExpired(exception, new Date("2026-11-24T23:59:59Z")), false);
    assert.equal(isExpired(exception, new Date("2026-11-25T00:00:00Z")), true);
  });
  it("are for their rule and their resource alone", () => {
    assert.equal(exceptionFor([exception], "container-user", "omniai-prod-backend-2", now), exception);
    assert.equal(exceptionFor([exception], "container-user", "omniai-prod-edge", now), undefined);
    assert.equal(exceptionFor([exception], "container-init", "omniai-prod-backend-2", now), undefined);
  });
  it("that hold go before those that ended", () => {
    const ended = { ...exception, until: "2026-01-01" };
    assert.equal(exceptionFor([ended, exception], "container-user", "omniai-prod-backend-2", now), exception);
  });
  it("that were not needed say so", () =>
    assert.match(describeException(exception, 0, now), /not needed: remove it/));
  it("from an unknown rule are refused", () => {
    assert.throws(
      () => judgeOf({ exceptions: [{ ...exception, rule: "container-users" }] }),
      /names an unknown rule: container-users.*docs\/policies\.md/,
    );
  });
});

describe("a value that is not known", () => {
  it("is no violation in a preview, and is said to wait", async () => {
    const judge = judgeOf({ preview: true });
    assert.deepEqual(await validate(judge, unknownUser), []);
    assert.deepEqual(await remarks(judge), [
      "Checked during the update, because values are not known before: container-user (omniai-prod-backend-1).",
    ]);
  });
  it("does not pass in an update", async () => {
    await assert.rejects(
      validate(judgeOf({ preview: false }), unknownUser),
      /container-user could not be checked for omniai-prod-backend-1/,
    );
  });
  it("is judged in the update", async () => {
    assert.equal((await validate(judgeOf({ preview: false }), { user: "0" })).length, 1);
  });
});
