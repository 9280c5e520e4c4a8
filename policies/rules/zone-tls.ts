/** Rule zone-tls. A setting of the zone holds for every name in it. */
import { resourceRule } from "../rule.ts";
import { tlsSettings, ZONE_SETTING, type SettingProps } from "../tls.ts";

export const zoneTls = resourceRule<SettingProps>([ZONE_SETTING], {
  name: "zone-tls",
  title: "A zone's TLS settings are strict: TLS 1.2 or newer, a checked origin, HTTPS always, HSTS.",
  source: "Mozilla Server Side TLS, intermediate; Cloudflare zone settings",
  remedy: "Set it to one of the allowed values.",
  *check({ props }) {
    const setting = tlsSettings[props.settingId];
    if (setting !== undefined && !setting.good(props.value)) {
      yield `${props.settingId} is ${JSON.stringify(props.value)}; allowed: ${setting.allowed}.`;
    }
  },
});
