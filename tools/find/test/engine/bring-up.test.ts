/** What is done, or said, when no engine answers. */
import { strict as assert } from "node:assert";
import { plan, type Situation } from "../../engine/bring-up.ts";

describe("engine: what is done when none answers", () => {
  const bare: Situation = {
    platform: "linux",
    root: true,
    mayInstall: true,
    local: true,
    socket: true,
    why: "absent",
    installed: false,
    apt: true,
  };
  const remedyOf = (facts: Partial<Situation>): string => {
    const decided = plan({ ...bare, ...facts });
    assert.equal(decided.do, "say", `nothing may be done with ${JSON.stringify(facts)}`);
    return decided.do === "say" ? `${decided.what}: ${decided.remedy}` : "";
  };

  it("installs and starts it, or only starts it, as root on Debian", () => {
    assert.deepEqual(plan(bare), { do: "install and start" });
    assert.deepEqual(plan({ ...bare, installed: true }), { do: "start" });
    assert.deepEqual(plan({ ...bare, installed: true, apt: false }), { do: "start" });
  });

  it("says what to do everywhere else", () => {
    assert.match(remedyOf({ mayInstall: false }), /is missing: Install it \(apt-get install .*docker\.io/);
    assert.match(remedyOf({ mayInstall: false, installed: true }), /not running: Start it/);
    assert.match(remedyOf({ root: false }), /only root may install it: Install it \(sudo apt-get/);
    assert.match(remedyOf({ root: false, installed: true }), /only root may start it/);
    assert.match(remedyOf({ apt: false }), /Install Docker Engine for this distribution/);
    assert.match(remedyOf({ platform: "darwin", local: false, root: false }), /Start Docker Desktop/);
    assert.match(remedyOf({ platform: "win32", root: false }), /Start Docker Desktop/);
    assert.match(remedyOf({ platform: "darwin", local: false, socket: false }), /DOCKER_HOST/);
    assert.match(remedyOf({ why: "denied", root: false, local: false }), /group docker/);
    assert.match(remedyOf({ local: false, installed: true }), /unset DOCKER_HOST/);
    assert.match(remedyOf({ why: "silent", installed: true }), /restart it/);
  });
});
