/** Which engines an edge may be given an IPv6 address on. */
import { strict as assert } from "node:assert";
import type Docker from "dockerode";
import { checkIpv6, translatesIpv6, unsaid, type EngineFacts } from "../../stack/ipv6.ts";
import { OpsError } from "../../terminal/errors.ts";
import type { KnownConfig } from "../../stack/settings.ts";

const engine = (facts: EngineFacts): Docker => ({ info: () => Promise.resolve(facts) }) as unknown as Docker;
const old: EngineFacts = { ServerVersion: "26.1.5+dfsg1", ExperimentalBuild: false };

describe("an engine with an edge on IPv6", () => {
  it("has to translate addresses: by itself from 27 on, before that as an experiment", () => {
    assert.equal(translatesIpv6({ ServerVersion: "27.0.3", ExperimentalBuild: false }), true);
    assert.equal(translatesIpv6(old), false);
    assert.equal(translatesIpv6({ ...old, ExperimentalBuild: true }), true);
  });

  it("is asked about where it does not say so: one that only may translate", () => {
    assert.match(unsaid({ ...old, ExperimentalBuild: true }) ?? "", /Docker 26\.1\.5.*"ip6tables": true/);
    assert.equal(unsaid({ ServerVersion: "27.0.3", ExperimentalBuild: false }), undefined);
  });

  it("is refused where all visitors would have one address, and only then", async () => {
    const on = (config: KnownConfig): Promise<void> =>
      checkIpv6(engine(old), "prod", { httpPort: 80, ...config });
    await assert.rejects(
      on({ bindAddressIpv6: "2001:db8::7" }),
      /bindAddressIpv6 is 2001:db8::7.*Docker 26\.1\.5/,
    );
    await assert.rejects(on({ bindAddress: "2001:db8::7" }), /omniai:bindAddress is/);
    await on({ bindAddress: "203.0.113.7" });
    await on({ bindAddressIpv6: "::1" });
    await on({ bindAddressIpv6: "2001:db8::7", publishPorts: "never" });
    await checkIpv6(engine({ ...old, ServerVersion: "28.2.2" }), "prod", {
      httpPort: 80,
      bindAddressIpv6: "2001:db8::7",
    });
  });

  it("is refused with what helps: the step of a machine that the stack prepares, which up does not come to", async () => {
    const remedyOf = async (config: KnownConfig): Promise<string> => {
      const error = await checkIpv6(engine(old), "prod", { httpPort: 80, ...config }).catch(
        (refused: unknown) => refused,
      );
      assert.ok(error instanceof OpsError);
      return error.remedy;
    };
    const prepared = await remedyOf({ bindAddressIpv6: "2001:db8::7", hostPrepare: true });
    assert.match(
      prepared,
      /npm run host -- --stack prod.*then restart Docker there: systemctl restart docker/,
    );
    assert.match(prepared, /leave omniai:bindAddressIpv6 empty/);
    const own = await remedyOf({ bindAddress: "2001:db8::7" });
    assert.match(own, /daemon\.json.*systemctl restart docker/);
    assert.match(own, /give omniai:bindAddress an IPv4 address/);
  });
});
