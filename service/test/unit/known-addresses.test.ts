/** The addresses that a process without Redis remembers. */
import { strict as assert } from "node:assert";
import { KnownAddresses } from "../../src/auth/known-addresses.ts";

describe("KnownAddresses", () => {
  it("are the newest of each user, and of no other user", async () => {
    const known = new KnownAddresses(undefined);
    for (let n = 0; n < 12; n++) await known.add("ada", `192.0.2.${n}`);
    await known.add("ada", "192.0.2.3");
    await known.add("ada", "192.0.2.99");
    const has = await Promise.all(Array.from({ length: 12 }, (_, n) => known.has("ada", `192.0.2.${n}`)));
    assert.deepEqual(
      has.flatMap((is, n) => (is ? [n] : [])),
      [3, 4, 5, 6, 7, 8, 9, 10, 11],
    );
    assert.equal(await known.has("eve", "192.0.2.99"), false);
    for (let n = 0; n < 1000; n++) await known.add(`user-${n}`, "192.0.2.1");
    assert.deepEqual(
      [await known.has("ada", "192.0.2.99"), await known.has("user-0", "192.0.2.1")],
      [false, true],
    );
  });
});
