/** Who may hold a connection open, and under which address it is counted. */
import { strict as assert } from "node:assert";
import { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import fc from "fast-check";
import { clientAddress, normalAddress } from "../../src/platform/address.ts";
import { Admission, type Admitted } from "../../src/events/http/admission.ts";

describe("Admission", () => {
  const anyRate = { ratePerAddress: 1e9, burstPerAddress: 1e9 };
  const limits = { perProcess: 5, perAddress: 2, perUser: 2, rate: 10, burst: 3, ...anyRate };

  it("bounds streams per address and per process", () => {
    const admission = new Admission({ ...limits, burst: 100 });
    assert.ok(admission.enter("a") && admission.enter("a"));
    assert.equal(admission.enter("a"), undefined);
    assert.ok(admission.enter("b") && admission.enter("b") && admission.enter("c"));
    assert.equal(admission.enter("d"), undefined);
    assert.equal(admission.hold("d"), undefined);
  });

  it("bounds how fast streams come, and recovers with time", () => {
    let now = 0;
    const admission = new Admission({ ...limits, perProcess: 100, perAddress: 100 }, () => now);
    const enter = (): boolean => admission.enter("a") !== undefined;
    assert.deepEqual([enter(), enter(), enter(), enter()], [true, true, true, false]);
    now += 100;
    assert.deepEqual([enter(), enter()], [true, false]);
    now += 3_600_000;
    assert.deepEqual([enter(), enter(), enter(), enter()], [true, true, true, false]);
    assert.ok(admission.hold("a"), "who waits is not slowed down");
  });

  it("takes no token for a stream that it rejects", () => {
    const admission = new Admission({ ...limits, rate: 0 }, () => 0);
    assert.ok(admission.enter("a") && admission.enter("a"));
    for (let i = 0; i < 10; i++) assert.equal(admission.enter("a"), undefined);
    assert.ok(admission.enter("b"));
  });

  it("bounds how fast the streams of one address come, and leaves the rest to the others", () => {
    let now = 0;
    const own = { ratePerAddress: 5, burstPerAddress: 2 };
    const admission = new Admission({ ...limits, ...own, perAddress: 100, rate: 0 }, () => now);
    const enter = (address: string): boolean => admission.enter(address) !== undefined;
    assert.deepEqual([enter("a"), enter("a"), enter("a")], [true, true, false]);
    assert.deepEqual([enter("b"), enter("b")], [true, false], "the third token of all was the last one");
    const recovering = new Admission({ ...limits, ...own, perAddress: 100 }, () => now);
    assert.ok(recovering.enter("a") && recovering.enter("a"));
    now += 200;
    assert.ok(recovering.enter("a"));
    assert.equal(recovering.enter("a"), undefined);
  });

  it("gives the token of all back for what became no stream, and never that of its address", () => {
    const own = { ratePerAddress: 0, burstPerAddress: 10 };
    const admission = new Admission({ ...limits, ...own, rate: 0 }, () => 0);
    for (let i = 0; i < 10; i++) {
      const admitted = admission.enter("a");
      assert.ok(admitted, String(i));
      admission.leave(admitted);
      admission.leave(admitted);
    }
    assert.equal(admission.enter("a"), undefined);
    for (let i = 0; i < 3; i++) {
      const admitted = admission.enter("b");
      assert.ok(admitted, String(i));
      admission.open(admitted);
      admission.leave(admitted);
    }
    assert.equal(admission.enter("b"), undefined, "a stream has used its token for good");
  });

  it("bounds the streams of a user wherever they come from, and never mistakes a user for an address", () => {
    const admission = new Admission({ ...limits, burst: 100 });
    const first = admission.enter("a", "u");
    assert.ok(first && admission.enter("b", "u"));
    assert.equal(admission.enter("c", "u"), undefined);
    assert.equal(admission.hold("c", "u"), undefined);
    assert.ok(admission.enter("u") && admission.enter("c", "v"));
    admission.leave(first);
    assert.ok(admission.enter("a", "u"));
  });

  it("learns the user of a stream after it was admitted, and gives everything back for one too many", () => {
    const admission = new Admission({ ...limits, rate: 0, burst: 4 }, () => 0);
    const [first, second, third] = [admission.enter("a"), admission.enter("b"), admission.enter("c")];
    assert.ok(first && second && third);
    assert.deepEqual([admission.claim(first, "u"), admission.claim(second, "u")], [true, true]);
    assert.equal(admission.claim(third, "u"), false);
    assert.equal(admission.size, 2);
    admission.leave(third);
    assert.equal(admission.size, 2, "once");
    admission.open(first);
    admission.leave(first);
    const again = admission.enter("c");
    assert.ok(again && admission.claim(again, "u"), "the user has a place again, and the rate its token");
    assert.ok(admission.enter("d"));
    assert.equal(admission.enter("e"), undefined);
  });

  it("gives back exactly what was taken, however often it is asked to", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(3), fc.boolean(), fc.nat(20))), (steps) => {
        const many = { perProcess: 8, perAddress: 3, perUser: 9, rate: 1e9, burst: 1e9 };
        const admission = new Admission({ ...many, ...anyRate });
        const all: Admitted[] = [];
        for (const [address, isEntering, which] of steps) {
          const some = all[which % Math.max(1, all.length)];
          if (!isEntering && some) admission.leave(some);
          const entered = isEntering ? admission.enter(String(address)) : undefined;
          if (entered) all.push(entered);
          const held = all.filter(({ isHeld }) => isHeld);
          assert.equal(admission.size, held.length);
          assert.ok(admission.size <= 8);
          for (const each of ["0", "1", "2", "3"])
            assert.ok(held.filter((one) => one.holders.includes(each)).length <= 3);
        }
        for (const each of all) admission.leave(each);
        assert.equal(admission.size, 0);
        assert.ok(admission.enter("0") && admission.enter("0") && admission.enter("0"));
      }),
    );
  });
});

describe("the address that counts", () => {
  const request = (peer: string, forwarded?: string): IncomingMessage => {
    const socket = new Socket();
    Object.defineProperty(socket, "remoteAddress", { value: peer });
    const message = new IncomingMessage(socket);
    if (forwarded !== undefined) message.headers["x-forwarded-for"] = forwarded;
    return message;
  };

  it("is the socket's without a proxy, whatever the client says", () => {
    assert.equal(clientAddress(request("10.0.0.1", "1.2.3.4"), 0), "10.0.0.1");
  });

  it("is what the outermost trusted proxy saw", () => {
    assert.equal(clientAddress(request("10.0.0.1", "1.2.3.4"), 1), "1.2.3.4");
    assert.equal(clientAddress(request("10.0.0.1", "6.6.6.6, 1.2.3.4"), 1), "1.2.3.4");
    assert.equal(clientAddress(request("10.0.0.1", "6.6.6.6, 1.2.3.4, 10.0.0.9"), 2), "1.2.3.4");
  });

  it("is the socket's when the proxy sent nothing usable", () => {
    for (const given of [undefined, "", "unknown", "1.2.3.4, <script>"])
      assert.equal(clientAddress(request("10.0.0.1", given), 1), "10.0.0.1");
    assert.equal(clientAddress(request("10.0.0.1", "1.2.3.4"), 2), "10.0.0.1");
  });

  it("groups IPv6 by /56 and knows IPv4 in it", () => {
    assert.equal(normalAddress("2001:db8:1:2ab::1"), normalAddress("2001:db8:1:2ff:ffff::9"));
    assert.notEqual(normalAddress("2001:db8:1:2ab::1"), normalAddress("2001:db8:1:3ab::1"));
    assert.equal(normalAddress("2001:DB8::1"), "2001:db8:0:0::/56");
    assert.equal(normalAddress("fe80::1%eth0"), "fe80:0:0:0::/56");
    assert.equal(normalAddress("::ffff:192.0.2.7"), "192.0.2.7");
    assert.equal(normalAddress("::ffff:c000:0207"), "192.0.2.7");
    assert.equal(normalAddress("::1"), "0:0:0:0::/56");
    assert.equal(normalAddress("192.0.2.7"), "192.0.2.7");
  });
});
