import assert from "node:assert/strict";
import { zoneTlsComplete } from "../../rules/zone-tls-complete.ts";
import { judge, resource, testRule } from "../support/cases.ts";

const record = resource("cloudflare:index/dnsRecord:DnsRecord", "api", {});
const setting = (settingId: string) =>
  resource("cloudflare:index/zoneSetting:ZoneSetting", settingId, { settingId });

testRule(zoneTlsComplete, {
  passes: {
    "all there": [record, setting("min_tls_version"), setting("ssl"), setting("always_use_https")],
    "no records": [],
  },
  fails: {
    "one is missing": [[record, setting("min_tls_version"), setting("ssl")], /always_use_https/],
  },
});

describe("zone-tls-complete, in a zone that another stack manages", () => {
  it("leaves the settings to that stack", () =>
    assert.deepEqual(judge(zoneTlsComplete, [record], { managesZone: false }), []));
});
