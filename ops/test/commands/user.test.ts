/** What `npm run user` reads and shows. */
import { strict as assert } from "node:assert";
import { describeUser, noMemory, parseAnswer } from "../../commands/user.ts";

describe("npm run user", () => {
  it("finds the answer behind whatever else was written", () => {
    assert.deepEqual(parseAnswer('(node:1) Warning: x\n{"level":"info"}\n{"ok":true,"users":[]}\n'), {
      ok: true,
      users: [],
    });
    assert.equal(parseAnswer("Error: Cannot find module user.js"), undefined);
    assert.equal(parseAnswer('"ok"\nnull'), undefined);
  });

  it("says of a command that was killed that memory was missing, and not that the version is wrong", () => {
    const { message, remedy } = noMemory("omniai-dev-backend-1", "dev");
    assert.match(message, /omniai-dev-backend-1 was killed.*memory limit/);
    assert.match(remedy, /user.* list.*backendMemory/);
  });

  it("lists a user in one line", () => {
    const user = {
      id: "1",
      name: "ada",
      scopes: ["events:read"],
      isDisabled: true,
      createdAt: "2026-01-02T03:04:05Z",
    };
    assert.match(describeUser(user), /^ada +disabled 1 {2}since 2026-01-02 {2}0 API tokens {2}events:read$/);
    assert.match(describeUser({ ...user, isDisabled: false, apiTokens: 1 }), /enabled .* 1 API token /);
    assert.match(
      describeUser({ ...user, devices: 2, lastPushedAt: "2026-11-27T10:20:30.000Z" }),
      /0 API tokens {2}2 devices \(last sent 2026-11-27 10:20 UTC\) {2}events:read$/,
    );
    assert.match(describeUser({ ...user, devices: 1 }), /1 device \(nothing sent yet\)/);
  });
});
