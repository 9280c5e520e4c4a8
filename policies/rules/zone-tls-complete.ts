/** Rule zone-tls-complete. A setting that is not declared stays as somebody left it in the dashboard. */
import { stackRule } from "../rule.ts";
import { NEEDED_SETTINGS, ZONE_SETTING, type SettingProps } from "../tls.ts";

export const zoneTlsComplete = stackRule({
  name: "zone-tls-complete",
  title:
    "A stack with DNS records declares its zone's TLS settings, unless another stack does (omniai:cloudflareManageZone).",
  source: "Cloudflare zone settings",
  remedy: "Declare a ZoneSetting for each of the missing settings.",
  *check(resources, { managesZone }) {
    if (!managesZone) return;
    if (!resources.some(({ type }) => /^cloudflare:index\/(dnsRecord|record):/.test(type))) return;
    const declared = new Set(
      resources
        .filter(({ type }) => type === ZONE_SETTING)
        .map(({ props }) => (props as unknown as SettingProps).settingId),
    );
    for (const needed of NEEDED_SETTINGS) {
      if (!declared.has(needed)) yield { what: `the zone setting ${needed} is not declared.` };
    }
  },
});
