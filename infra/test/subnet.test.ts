import assert from "node:assert/strict";
import fc from "fast-check";
import { isPrivateSubnet, subnetFor } from "../subnet.ts";

describe("subnets", () => {
  it("of any stack are private, and the same every time", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z][a-z0-9-]{0,28}$/), (name) => {
        assert.ok(isPrivateSubnet(subnetFor(name)), subnetFor(name));
        assert.equal(subnetFor(name), subnetFor(name));
      }),
    );
  });

  it("of the usual stacks do not overlap", () => {
    const names = ["dev", "staging", "prod", "test", "demo"];
    assert.equal(new Set(names.map(subnetFor)).size, names.length);
  });

  for (const text of ["10.0.0.0/28", "10.87.1.16/28", "172.31.255.0/24", "192.168.4.0/22"]) {
    it(`takes ${text}`, () => assert.ok(isPrivateSubnet(text)));
  }
  for (const text of [
    ...["", "10.0.0.0", "10.0.0.1/28", "10.0.0.0/29", "10.0.0.0/16", "8.8.8.0/24", "172.32.0.0/24"],
    ...["10.0.256.0/24", "10.0.00.0/24", "192.169.0.0/24", "fd00::/64"],
  ]) {
    it(`refuses "${text}"`, () => assert.ok(!isPrivateSubnet(text)));
  }
});
