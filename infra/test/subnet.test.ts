/** Private subnets that the program chooses. */
import { strict as assert } from "node:assert";
import fc from "fast-check";
import {
  accessSubnets,
  gatewayOf,
  isPrivateSubnet,
  sizeOf,
  subnetFor,
  tunnelAddresses,
  uniqueLocal,
} from "../components/network/subnet.ts";

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

  it("of any stack have room for as many connectors as there may be, while they are replaced", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z][a-z0-9-]{0,28}$/), (name) => {
        assert.ok(sizeOf(subnetFor(name)) >= tunnelAddresses(8), subnetFor(name));
      }),
    );
  });

  it("of both families, for visitors by IPv6, are nobody's and the same every time", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z][a-z0-9-]{0,28}$/), (name) => {
        const [ipv4, ipv6] = accessSubnets(name);
        assert.ok(isPrivateSubnet(ipv4.subnet) && !ipv4.subnet.startsWith("10.254."), ipv4.subnet);
        const [prefix = ""] = ipv6.subnet.split("::/64");
        // As the engine spells it, or the provider would see a difference.
        assert.equal(new URL(`http://[${prefix}::]`).hostname, `[${prefix}::]`);
        assert.match(prefix, /^fd[0-9a-f]{2}:/);
        assert.equal(ipv6.gateway, `${prefix}::1`);
        assert.deepEqual(accessSubnets(name), [ipv4, ipv6]);
      }),
    );
  });

  it("of IPv6 are spelled as the engine lists them, whatever groups of them are 0", () => {
    assert.deepEqual(uniqueLocal([0x12, 0x3, 0x45]), { subnet: "fd12:3:45::/64", gateway: "fd12:3:45::1" });
    assert.deepEqual(uniqueLocal([0x12, 0x3, 0]), { subnet: "fd12:3::/64", gateway: "fd12:3::1" });
    assert.deepEqual(uniqueLocal([0x12, 0, 0x45]), { subnet: "fd12:0:45::/64", gateway: "fd12:0:45::1" });
    assert.deepEqual(uniqueLocal([0, 0, 0]), { subnet: "fd00::/64", gateway: "fd00::1" });
  });

  it("of both families can be another one of IPv4, where two stacks have the same", () => {
    const [ipv4, ipv6] = accessSubnets("prod", "10.87.2.0/28");
    assert.deepEqual(ipv4, { subnet: "10.87.2.0/28", gateway: "10.87.2.1" });
    assert.deepEqual(ipv6, accessSubnets("prod")[1]);
  });

  it("count what a container cannot have", () => {
    assert.equal(
      tunnelAddresses(6),
      16,
      "12 connectors, the edge, the gateway, the subnet's own, the broadcast",
    );
    assert.equal(sizeOf("10.87.1.0/28"), 16);
  });

  it("have their first address as gateway", () => {
    assert.equal(gatewayOf("10.254.3.32/27"), "10.254.3.33");
    assert.equal(gatewayOf("192.168.4.0/22"), "192.168.4.1");
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
