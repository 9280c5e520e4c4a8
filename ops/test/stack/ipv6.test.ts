/** Which engines an edge may be given an IPv6 address on. */
import { strict as assert } from "node:assert";
import type Docker from "dockerode";
import { checkIpv6, translatesIpv6, type EngineFacts } from "../../stack/ipv6.ts";
import type { KnownConfig } from "../../stack/settings.ts";

const engine = (facts: EngineFacts): Docker => ({ info: () => Promise.resolve(facts) }) as unknown as Docker;
const old: EngineFacts = { ServerVersion: "26.1.5+dfsg1", ExperimentalBuild: false };

describe("an engine with an edge on IPv6", () => {
  it("has to translate addresses: by itself from 27 on, before that as an experiment", () => {
    assert.equal(translatesIpv6({ ServerVersion: "27.0.3", ExperimentalBuild: false }), true);
    assert.equal(translatesIpv6(old), false);
    assert.equal(translatesIpv6({ ...old, ExperimentalBuild: true }), true);
  });

  it("is refused where all visitors would have one address, and only then", async () => {
    const on = (config: KnownConfig): Promise<void> => checkIpv6(engine(old), { httpPort: 80, ...config });
    await assert.rejects(
      on({ bindAddressIpv6: "2001:db8::7" }),
      /bindAddressIpv6 is 2001:db8::7.*Docker 26\.1\.5/,
    );
    await assert.rejects(on({ bindAddress: "2001:db8::7" }), /omniai:bindAddress is/);
    await on({ bindAddress: "203.0.113.7" });
    await on({ bindAddressIpv6: "::1" });
    await on({ bindAddressIpv6: "2001:db8::7", publishPorts: "never" });
    await checkIpv6(engine({ ...old, ServerVersion: "28.2.2" }), {
      httpPort: 80,
      bindAddressIpv6: "2001:db8::7",
    });
  });
});
