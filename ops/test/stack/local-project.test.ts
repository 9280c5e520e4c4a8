/** The copy of a stack's file that has this machine's encryption salt. */
import { strict as assert } from "node:assert";
import { hasOwnSecrets, localStackFile } from "../../stack/local-project.ts";

describe("the local stack file", () => {
  it("has this machine's salt beside the committed config, from the earlier local file or the state", () => {
    const committed = { config: { "omniai:httpPort": 9080 } };
    assert.deepEqual(localStackFile(committed, undefined, undefined), committed);
    assert.deepEqual(localStackFile(committed, { encryptionsalt: "a", config: { old: 1 } }, undefined), {
      ...committed,
      encryptionsalt: "a",
    });
    assert.deepEqual(localStackFile(committed, {}, { secrets_providers: { state: { salt: "b" } } }), {
      ...committed,
      encryptionsalt: "b",
    });
  });

  it("is not made for a committed file that says itself how its secrets are encrypted", () => {
    assert.equal(hasOwnSecrets({ config: {} }), false);
    assert.equal(hasOwnSecrets({ encryptionsalt: "v1:" }), true);
    assert.equal(hasOwnSecrets({ secretsprovider: "awskms://x" }), true);
  });
});
