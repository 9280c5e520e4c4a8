/** What `npm run doctor` looks for. */
import { strict as assert } from "node:assert";
import { cloudPlugins, engineDiskOf } from "../../../commands/doctor/doctor.ts";

describe("doctor", () => {
  it("lists the plugins of the clouds that a stack uses, and no others", () => {
    assert.deepEqual(cloudPlugins({}), []);
    assert.deepEqual(cloudPlugins({ tunnelEnabled: true }), ["cloudflare"]);
    assert.deepEqual(cloudPlugins({ tunnelEnabled: false, pagesEnabled: true }), ["github"]);
  });

  it("judges the engine's own disk as a deploy does, on whatever machine it is", () => {
    const of = (freeBytes: number) => engineDiskOf({ path: "/srv/docker", freeBytes })[0];
    assert.equal(of(50e9)?.good, true);
    assert.match(of(50e9)?.detail ?? "", /GiB free on the disk of \/srv\/docker$/);
    assert.equal(of(5e9)?.good, true);
    assert.equal(of(2e9)?.good, false);
    assert.match(of(2e9)?.detail ?? "", /Only 2\.0 GB are free on the disk of \/srv\/docker/);
    assert.match(of(2e9)?.remedy ?? "", /docker image prune/);
    assert.deepEqual(engineDiskOf(undefined), []);
  });
});
