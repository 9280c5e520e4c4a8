/** Sends one message to one device: encrypted for its browser (RFC 8291), signed for its push service (RFC 8292). */
import { request } from "node:https";
import { reasonOf } from "../platform/deadline.ts";
import { PrivateAddressError, type PushReach } from "./endpoint.ts";
import type { VapidKeys } from "../platform/env/vapid-keys.ts";
import type { PushMessage } from "./message.ts";

/** What a browser gave for a device. */
export interface PushTarget {
  readonly endpoint: string;
  /** The browser's public key and its secret, in base64url. */
  readonly p256dh: string;
  readonly auth: string;
}

/** What became of one try. */
export type Outcome =
  | { readonly kind: "sent" }
  /** The browser has taken the permission back: there is no such device any more. */
  | { readonly kind: "gone" }
  /** The push service may take it later. @member afterMs undefined where it does not say when. */
  | { readonly kind: "retry"; readonly why: string; readonly afterMs?: number }
  /** The same message would be refused again. */
  | { readonly kind: "refused"; readonly why: string };

/** Who sends, as a push service may ask. */
export interface Sender {
  readonly keys: VapidKeys;
  /** mailto: or https: (RFC 8292 2.1). */
  readonly contact: string;
}

/** The longest that a push service may take, in ms. */
export const SEND_MS = 5000;

/** Retry-After as a number of seconds or as a date (RFC 9110 10.2.3). */
function retryAfterMs(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return ms >= 0 ? ms : undefined;
}

/** Pure: what a push service's answer means (RFC 8030 5, and 7.3 for a subscription that is gone). */
export function outcomeOf(status: number, retryAfter?: string): Outcome {
  if (status >= 200 && status < 300) return { kind: "sent" };
  if (status === 404 || status === 410) return { kind: "gone" };
  const why = `the push service answers ${status}`;
  if (status !== 429 && status < 500) return { kind: "refused", why };
  const afterMs = retryAfterMs(retryAfter);
  return { kind: "retry", why, ...(afterMs === undefined ? {} : { afterMs }) };
}

/** Sends; never rejects. A redirect is an answer like any other: it is not followed. */
export async function sendTo(
  target: PushTarget,
  message: PushMessage,
  { keys, contact }: Sender,
  reach: PushReach,
): Promise<Outcome> {
  if (!reach.isAllowed(target.endpoint)) return { kind: "refused", why: "its address is no push service's" };
  // Only a service with web push has it in memory.
  const { default: webPush } = await import("web-push");
  let details;
  try {
    details = webPush.generateRequestDetails(
      { endpoint: target.endpoint, keys: { p256dh: target.p256dh, auth: target.auth } },
      JSON.stringify(message.payload),
      {
        vapidDetails: { subject: contact, ...keys },
        TTL: message.ttl,
        urgency: message.urgency,
        topic: message.topic,
        contentEncoding: "aes128gcm",
      },
    );
  } catch {
    // The library's words repeat the keys.
    return { kind: "refused", why: "its keys are no browser's" };
  }
  const { headers, body } = details;
  return new Promise((resolve) => {
    const failed = (error: unknown): void =>
      resolve({ kind: error instanceof PrivateAddressError ? "refused" : "retry", why: reasonOf(error) });
    const sent = request(
      target.endpoint,
      { method: "POST", headers, agent: reach.agent, signal: AbortSignal.timeout(SEND_MS) },
      (response) => {
        // What it says beside the status is for nobody, and may be any length.
        response.destroy();
        resolve(outcomeOf(response.statusCode ?? 0, response.headers["retry-after"]));
      },
    );
    sent.on("error", failed);
    sent.end(body);
  });
}
