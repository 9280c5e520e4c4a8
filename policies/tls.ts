/** The TLS settings of a Cloudflare zone, and the values that they may have. */

export const ZONE_SETTING = "cloudflare:index/zoneSetting:ZoneSetting";

export interface SettingProps {
  readonly settingId: string;
  readonly value: unknown;
}

/** Half a year in seconds: the shortest time that hstspreload.org and Mozilla's guideline recommend. */
const LEAST_HSTS = 15_768_000;

function hasHsts(value: unknown): boolean {
  const header = value as Record<string, Record<string, unknown>> | undefined;
  const settings = header?.["strict_transport_security"] ?? header?.["strictTransportSecurity"];
  return (
    settings?.["enabled"] === true && Number(settings["max_age"] ?? settings["maxAge"] ?? 0) >= LEAST_HSTS
  );
}

const oneOf =
  (...allowed: string[]) =>
  (value: unknown): boolean =>
    allowed.includes(String(value));

/** The allowed values of each setting, by Cloudflare's id of it, and words for them. */
export const tlsSettings: Readonly<Record<string, { good: (value: unknown) => boolean; allowed: string }>> = {
  min_tls_version: { good: oneOf("1.2", "1.3"), allowed: "1.2 or 1.3" },
  ssl: { good: oneOf("strict"), allowed: "strict" },
  always_use_https: { good: oneOf("on"), allowed: "on" },
  tls_1_3: { good: oneOf("on", "zrt"), allowed: "on or zrt" },
  security_header: { good: hasHsts, allowed: `HSTS for at least ${LEAST_HSTS} s` },
};

/** Without one of these a zone answers unencrypted, or in a way that browsers refuse, or gets a first request unencrypted. */
export const NEEDED_SETTINGS = ["min_tls_version", "ssl", "always_use_https", "security_header"] as const;
