/** Whom `npm run dev` answers. */
import { strict as assert } from "node:assert";
import { hostname } from "node:os";
import { isOwnHost } from "../../dev/known-hosts.ts";

describe("the hosts of npm run dev", () => {
  it("are addresses and this machine's own names, with and without a port, and none that a site may have", () => {
    for (const host of [
      "127.0.0.1:8000",
      "localhost",
      "LOCALHOST:8000",
      "a.localhost:1",
      "[::1]:8000",
      "192.168.1.5",
    ])
      assert.ok(isOwnHost(host), host);
    assert.ok(isOwnHost(`${hostname()}:8000`));
    for (const host of [
      "",
      "evil.example",
      "evil.example:8000",
      "localhost.evil.example",
      "127.0.0.1.nip.io",
      "xlocalhost",
    ])
      assert.ok(!isOwnHost(host), host);
  });
});
