/** The cases of rule zone-tls-complete. */
import { strict as assert } from "node:assert";
import { zoneTlsComplete } from "../../rules/zone-tls-complete.ts";
import { judge, resource, testRule, type Case } from "../support/cases.ts";

const record = resource("cloudflare:index/dnsRecord:DnsRecord", "api", {});
const NEEDED = ["min_tls_version", "ssl", "always_use_https", "security_header"];
const setting = (settingId: string) =>
  resource("cloudflare:index/zoneSetting:ZoneSetting", settingId, { settingId });

testRule(zoneTlsComplete, {
  passes: {
    "all there": [record, ...NEEDED.map(setting)],
    "no records": [],
  },
  fails: {
    ...Object.fromEntries(
      NEEDED.map((missing) => [
        `${missing} is missing`,
        [[record, ...NEEDED.filter((one) => one !== missing).map(setting)], new RegExp(missing)] as [
          Case,
          RegExp,
        ],
      ]),
    ),
  },
});

describe("zone-tls-complete, in a zone that another stack manages", () => {
  it("leaves the settings to that stack", () =>
    assert.deepEqual(judge(zoneTlsComplete, [record], { managesZone: false }), []));
});
