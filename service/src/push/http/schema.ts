/** What clients send to /api/push, and what they get. */
import { z } from "zod";
import { showableText } from "../../platform/showable-text.ts";
import { isPushEndpoint } from "../endpoint.ts";

export const base64url = (bytes: number) => new RegExp(`^[A-Za-z0-9_-]{${Math.ceil((bytes * 4) / 3)}}=?$`);
const time = z.iso.datetime();

const authSchema = z.string().regex(base64url(16)).describe("16 bytes in base64url.");

/**
 * As browsers write URLs: a parser of URLs passes over control characters, and PostgreSQL refuses a NUL as a failure of its own.
 * @param isAllowed which addresses a push service may have.
 */
const endpointSchemaFor = (isAllowed: (endpoint: string) => boolean) =>
  z
    .string()
    .max(1024)
    .regex(/^[\x21-\x7e]+$/, "ASCII without spaces and control characters")
    .refine(isAllowed, "an https URL by name, without a port");

/** What a browser has subscribed. @param isAllowed which addresses a push service may have. */
const subscriptionSchemaFor = (isAllowed: (endpoint: string) => boolean) =>
  z.strictObject({
    endpoint: endpointSchemaFor(isAllowed).describe("The browser's PushSubscription.endpoint."),
    keys: z
      .strictObject({
        p256dh: z.string().regex(base64url(65)).describe("The browser's public key: 65 bytes in base64url."),
        auth: authSchema,
      })
      .describe("As PushSubscription.toJSON() has them."),
    publicKey: z
      .string()
      .max(200)
      .describe("The key that the browser subscribed with: the one of GET /api/push."),
  });

/** @param isAllowed which addresses a push service may have. */
export const deviceSchemaFor = (isAllowed: (endpoint: string) => boolean) =>
  subscriptionSchemaFor(isAllowed).extend({
    replaces: z
      .string()
      .regex(/^[A-Za-z0-9_-]{43}$/)
      .optional()
      .describe("The endpointHash of the subscription that the browser had before: that device is removed."),
    name: showableText(60).regex(/\S/, "not only spaces").describe("What the user knows the device by."),
  });

export const newDeviceSchema = deviceSchemaFor(isPushEndpoint);

/** @param isAllowed which addresses a push service may have. */
export const renewalSchemaFor = (isAllowed: (endpoint: string) => boolean) =>
  subscriptionSchemaFor(isAllowed).extend({
    before: z
      .strictObject({ endpoint: endpointSchemaFor(isAllowed), auth: authSchema })
      .describe("The subscription that the browser had: both together prove that it is that browser."),
  });

export const renewalSchema = renewalSchemaFor(isPushEndpoint);

export const addedDeviceSchema = z.strictObject({ id: z.uuid() });

export const deviceQuerySchema = z.strictObject({ id: z.uuid() });

export const pushSchema = z.strictObject({
  publicKey: z.string().describe("What a page subscribes with. It changes when the stack's key does."),
  devices: z
    .array(
      z.strictObject({
        id: z.uuid(),
        name: z.string(),
        endpointHash: z
          .string()
          .describe("SHA-256 of the endpoint in base64url: a page knows its own by it."),
        createdAt: time,
        lastSentAt: time.nullable(),
        problem: z.string().nullable().describe("Why the last message did not get there."),
        isCurrent: z.boolean().describe("False: added under another key. Its page has to subscribe anew."),
      }),
    )
    .describe("The user's own, the newest first."),
});

export const testedSchema = z.strictObject({
  gate: z
    .enum(["open", "closed", "unknown"])
    .describe(
      "The gate between Alertmanager and the service, which the test does not pass. closed: it does not answer, and no alert arrives. unknown: the stack is not watched.",
    ),
  devices: z.array(
    z.strictObject({
      id: z.uuid(),
      outcome: z
        .enum(["sent", "gone", "failed"])
        .describe(
          "sent: the push service has taken it. gone: the browser no longer wants any; the device is removed.",
        ),
      detail: z.string().optional().describe("Why it failed."),
    }),
  ),
});
