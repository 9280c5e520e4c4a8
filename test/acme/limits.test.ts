/** An authority that gives no more, and whose clock is another one: certbot against a server that says what Let's Encrypt says. */
import { strict as assert } from "node:assert";
import { LIMITED, startLimitingAuthority, type LimitingAuthority } from "../support/acme/limiting.ts";
import { startLoneRoom, type LoneRoom } from "../support/acme/lone-room.ts";
import { eventually } from "../support/http.ts";

const DAY = 86_400;

describe("an authority that gives no more certificates", function () {
  this.timeout(240_000);
  let authority: LimitingAuthority;
  let lone: LoneRoom;
  before(async () => {
    lone = await startLoneRoom(["api.example.test"], async (address) => {
      authority = await startLimitingAuthority(address, DAY);
      return { directory: authority.directory, authority: authority.certificate };
    });
  });
  after(async () => {
    await lone?.remove();
    authority?.close();
  });

  it("is told with its own words and asked less and less often, and so is a clock that is off", async () => {
    await eventually("three tries", 180, async () => (await lone.room.state()).failures >= 3);
    const { problem, tried, next, failures, ends } = await lone.room.state();
    assert.ok(problem?.includes(LIMITED), problem ?? "");
    assert.match(problem ?? "", /This machine's clock is 86[34]\d\d s behind the authority's\.$/);
    assert.equal(ends, null);
    const wait = (Date.parse(next ?? "") - Date.parse(tried ?? "")) / 1000;
    assert.ok(wait >= 2 ** (failures - 1) - 1, `${wait} s after ${failures} failures`);
    assert.ok(authority.refused() <= failures + 1, `${authority.refused()} orders in ${failures} tries`);
  });
});
