/** Which distributions have apt. */
import { strict as assert } from "node:assert";
import { isDebianLike } from "../apt.ts";

describe("a distribution with apt", () => {
  it("is Debian or of its family", () => {
    assert.equal(isDebianLike('NAME="Debian"\nID=debian\n'), true);
    assert.equal(isDebianLike('ID=linuxmint\nID_LIKE="ubuntu debian"\n'), true);
    assert.equal(isDebianLike("ID=fedora\nVARIANT_ID=debian\n"), false);
  });
});
