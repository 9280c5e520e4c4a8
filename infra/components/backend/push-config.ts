/** Web push in a stack's config: what its keys may be, and what they contradict. Without Pulumi's SDK. */
import { z } from "zod";
import { flag, within, type ConfigProblem, type Values } from "../../config/keys.ts";

export const pushKeys = {
  webPush: flag,
  webPushContact: z
    .string()
    .regex(/^(mailto:[^\s@]+@[^\s@]+|https:\/\/\S+)?$/)
    .describe("empty, mailto: with an address, or an https URL"),
  webPushSerial: within(1, 1_000_000),
};

export type PushConfig = Values<typeof pushKeys>;

/** What the rest of the program is told; see pushArgs. */
export interface PushSettings {
  /** Whom the makers of a push service may write to: mailto: or https: (RFC 8292 2.1). */
  readonly contact: string;
  /** Another number is another key pair. */
  readonly serial: number;
}

/** Pure: undefined for a stack without web push. */
export const pushArgs = (config: PushConfig): PushSettings | undefined =>
  config.webPush ? { contact: config.webPushContact, serial: config.webPushSerial } : undefined;

/** What web push needs of the rest of the config. */
export function pushProblems(
  config: PushConfig & {
    readonly authMode: string;
    readonly monitoring: string;
    readonly pageWithout: readonly string[];
  },
): ConfigProblem[] {
  if (!config.webPush) return [];
  const wrong = (key: string, value: unknown, allowed: string): ConfigProblem => ({ key, value, allowed });
  const missing = config.pageWithout.filter((name) => name === "offline" || name === "diagnostics");
  return [
    ...(config.webPushContact === ""
      ? [
          wrong(
            "webPushContact",
            "",
            "mailto: with your address, or an https URL, with omniai:webPush: push services want to know whom to write to",
          ),
        ]
      : []),
    ...(config.authMode === "none"
      ? [
          wrong(
            "webPush",
            true,
            "true only with omniai:authMode session, token or both: alerts are for known users",
          ),
        ]
      : []),
    ...(config.monitoring === "never"
      ? [
          wrong(
            "webPush",
            true,
            "true only with omniai:monitoring always or auto: without it there are no alerts",
          ),
        ]
      : []),
    ...(missing.length > 0
      ? [
          wrong(
            "pageWithout",
            config.pageWithout,
            `a list without ${missing.join(" and ")} with omniai:webPush: the service worker shows alerts, diagnostics asks for them`,
          ),
        ]
      : []),
  ];
}
