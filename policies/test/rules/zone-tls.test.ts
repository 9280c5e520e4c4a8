/** The cases of rule zone-tls. */
import { zoneTls } from "../../rules/zone-tls.ts";
import { resource, testRule } from "../support/cases.ts";

const setting = (settingId: string, value: unknown) =>
  resource("cloudflare:index/zoneSetting:ZoneSetting", settingId, { settingId, value });

testRule(zoneTls, {
  passes: {
    "TLS 1.2": setting("min_tls_version", "1.2"),
    HSTS: setting("security_header", { strict_transport_security: { enabled: true, max_age: 31_536_000 } }),
    "another setting": setting("brotli", "on"),
  },
  fails: {
    "TLS 1.0": [setting("min_tls_version", "1.0"), /1\.2 or 1\.3/],
    "an unchecked origin": [setting("ssl", "flexible"), /strict/],
    "HSTS for a day": [
      setting("security_header", { strict_transport_security: { enabled: true, max_age: 86_400 } }),
      /HSTS/,
    ],
  },
});
