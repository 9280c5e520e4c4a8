/** The machine that `npm run node -- add` is given. */
import { strict as assert } from "node:assert";
import { addressOf } from "../../commands/node/node.ts";
import { OpsError } from "../../terminal/errors.ts";

describe("the address of a machine that is to be a node", () => {
  it("is taken with and without ssh://", () => {
    assert.deepEqual(addressOf("deploy@host"), { user: "deploy", host: "host" });
    assert.deepEqual(addressOf("ssh://deploy@host:2222"), { user: "deploy", host: "host", port: "2222" });
  });

  it("is refused where it is none, and where it has a password, which is not repeated", () => {
    assert.throws(() => addressOf("http://host"), /"http:\/\/host" is no machine/);
    assert.throws(
      () => addressOf("ssh://deploy:canary@host"),
      (error: unknown) =>
        error instanceof OpsError && !`${error.message} ${error.remedy ?? ""}`.includes("canary"),
    );
  });
});
