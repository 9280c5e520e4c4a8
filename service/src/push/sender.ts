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

/** What a status means, and what the device's owner can do about it; of any other the number has to be enough. */
const meanings: Readonly<Record<number, string>> = {
  400: "it does not understand the message; turn alerts off and on again on that device",
  401: "it does not take the stack's key; turn alerts off and on again on that device",
  403: "it does not take the stack's key; turn alerts off and on again on that device",
  413: "the message is too long for it",
  429: "it has had too many messages, and takes more later",
};

/** Pure: in words. */
function meaningOf(status: number): string {
  const meaning = meanings[status] ?? (status >= 500 ? "it has trouble of its own" : undefined);
  return `the push service answers ${status}${meaning === undefined ? "" : `: ${meaning}`}`;
}

/** Pure: what a push service's answer means (RFC 8030 5, and 7.3 for a subscription that is gone). */
export function outcomeOf(status: number, retryAfter?: string): Outcome {
  if (status >= 200 && status < 300) return { kind: "sent" };
  if (status === 404 || status === 410) return { kind: "gone" };
  const why = meaningOf(status);
  if (status !== 429 && status < 500) return { kind: "refused", why };
  const afterMs = retryAfterMs(retryAfter);
  return { kind: "retry", why, ...(afterMs === undefined ? {} : { afterMs }) };
}

/**
 * Pure: why there was no answer, and where to look.
 * @param error of the request.
 */
export function failureOf(error: unknown, hostname: string): Outcome {
  if (error instanceof PrivateAddressError) return { kind: "refused", why: error.message };
  if (error instanceof Error && ["AbortError", "TimeoutError"].includes(error.name))
    return { kind: "retry", why: `${hostname} did not answer within ${SEND_MS / 1000} s` };
  const why = `the stack does not reach ${hostname} (${reasonOf(error)}): look at its way out to the internet`;
  return { kind: "retry", why };
}

/** Sends; never rejects. A redirect is an answer like any other: it is not followed. */
export async function sendTo(
  target: PushTarget,
  message: PushMessage,
  { keys, contact }: Sender,
  reach: PushReach,
): Promise<Outcome> {
  if (!reach.isAllowed(target.endpoint))
    return {
      kind: "refused",
      why: "its address is no push service's; turn alerts off and on again on that device",
    };
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
    return { kind: "refused", why: "its keys are no browser's; turn alerts off and on again on that device" };
  }
  const { headers, body } = details;
  return new Promise((resolve) => {
    const failed = (error: unknown): void => resolve(failureOf(error, new URL(target.endpoint).hostname));
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
