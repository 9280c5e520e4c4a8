/** What an alert is on a phone: made from what Alertmanager tells its webhooks. */
import { createHash } from "node:crypto";
import { z } from "zod";

/**
 * What Alertmanager posts to a webhook, version 4 of its format (https://prometheus.io/docs/alerting/latest/configuration/,
 * webhook_config). What else it says is passed over.
 */
export const alertGroupSchema = z.object({
  version: z.literal("4"),
  groupKey: z.string().min(1),
  status: z.enum(["firing", "resolved"]),
  truncatedAlerts: z.int().min(0).default(0),
  commonLabels: z.record(z.string(), z.string()).default({}),
  alerts: z.array(
    z.object({
      status: z.enum(["firing", "resolved"]),
      labels: z.record(z.string(), z.string()),
      annotations: z.record(z.string(), z.string()).default({}),
      startsAt: z.string(),
      fingerprint: z.string(),
    }),
  ),
});

export type AlertGroup = z.output<typeof alertGroupSchema>;

/** What the page's service worker shows; frontend/sw.js reads it. */
export interface PushPayload {
  readonly title: string;
  readonly body: string;
  /** A notification replaces the one of the same tag. */
  readonly tag: string;
  /** Whether the device makes itself heard again when it replaces one. */
  readonly isUrgent: boolean;
}

/** A message for devices. */
export interface PushMessage {
  /** The same for the same news: what was sent is not sent again. */
  readonly id: Buffer;
  /** Of messages of one topic a push service keeps the newest (RFC 8030 5.4); at most 32 characters of base64url. */
  readonly topic: string;
  /** How long a push service keeps it for a device that is away, in seconds. */
  readonly ttl: number;
  readonly urgency: "high" | "normal";
  readonly payload: PushPayload;
}

/** After so long Alertmanager tells of an alert again, so an older message says nothing that a newer one does not. */
const TTL_SECONDS = 4 * 3600;
/** In UTF-16 units. A message is at most 4096 bytes with its encryption (RFC 8291 4), and one unit at most 3 bytes. */
const TITLE_LENGTH = 150;
const BODY_LENGTH = 900;
const MOST_ALERTS = 5;

const sha256 = (text: string): Buffer => createHash("sha256").update(text).digest();

/** Without what a screen cannot show, and no longer than `most`. */
function shortened(text: string, most: number): string {
  const plain = text
    .replace(/[^\S\n]+/g, " ")
    .replace(/[\p{Cc}]/gu, (character) => (character === "\n" ? character : " "))
    .toWellFormed()
    .trim();
  return plain.length <= most ? plain : `${plain.slice(0, most - 1).toWellFormed()}…`;
}

/** Pure: the message for a group of alerts that fire, or are over. */
export function alertMessage({
  groupKey,
  status,
  truncatedAlerts,
  commonLabels,
  alerts,
}: AlertGroup): PushMessage {
  const isFiring = status === "firing";
  // In one that fires, what is over is left out.
  const shown = alerts.filter((alert) => !isFiring || alert.status === "firing");
  const { severity = "alert", alertname = "Alert", stack } = commonLabels;
  const title = `${isFiring ? severity : "over"}: ${alertname}${stack === undefined ? "" : ` (${stack})`}`;
  const lines = shown.slice(0, MOST_ALERTS).map(({ annotations }) => annotations["summary"] ?? alertname);
  const more = shown.length - lines.length + truncatedAlerts;
  const topic = sha256(groupKey).toString("base64url").slice(0, 32);
  const news = alerts.map((alert) => [alert.fingerprint, alert.status, alert.startsAt].join(" ")).sort();
  return {
    id: sha256(JSON.stringify([groupKey, status, news, truncatedAlerts])),
    topic,
    ttl: TTL_SECONDS,
    urgency: "high",
    payload: {
      title: shortened(title, TITLE_LENGTH),
      body: shortened([...lines, ...(more > 0 ? [`and ${more} more`] : [])].join("\n"), BODY_LENGTH),
      tag: topic,
      isUrgent: isFiring,
    },
  };
}

/** Pure: the message that shows a user that the way to a device is open. */
export const testMessage = (stack: string): PushMessage => ({
  id: sha256(`test ${stack}`),
  topic: sha256(`test ${stack}`).toString("base64url").slice(0, 32),
  // It is for whoever looks at the device now.
  ttl: 60,
  urgency: "high",
  payload: {
    title: shortened(`Test (${stack})`, TITLE_LENGTH),
    body: "Alerts of this stack reach this device.",
    tag: "test",
    isUrgent: true,
  },
});
