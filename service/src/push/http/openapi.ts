/** /api/push, and the alerts that come in, in openapi.json. */
import { z } from "zod";
import { badToken, jsonAnswer, problem, retryAfter, type Operation } from "../../platform/operation.ts";
import { alertGroupSchema } from "../message.ts";
import {
  addedDeviceSchema,
  deviceQuerySchema,
  newDeviceSchema,
  pushSchema,
  renewalSchema,
  testedSchema,
} from "./schema.ts";

const off = problem("This stack has no web push.");
const away = problem("PostgreSQL or Redis cannot be asked.", retryAfter);
const forbidden = problem(
  "The scope diag:read is missing; or, with a session's cookie, the origin or the CSRF token.",
);
const who = { 401: badToken, 403: forbidden, 404: off, 503: away };
const common = { ports: ["public"], tag: "push", login: "required" } as const;
const csrfHeader = z.object({
  "X-CSRF-Token": z
    .string()
    .optional()
    .describe("Needed with a session's cookie; GET /api/auth/csrf has one."),
});

export const PUSH_OPERATIONS: readonly Operation[] = [
  {
    ...common,
    method: "get",
    path: "/api/push",
    summary: "The service's key, and the user's devices",
    description:
      "Alerts are pushed to browsers by their push services (RFC 8030). It needs the scope diag:read, as alerts do.",
    responses: { 200: jsonAnswer("The key and the devices.", pushSchema), ...who },
  },
  {
    ...common,
    method: "post",
    path: "/api/push",
    summary: "Add this browser",
    description: "The same browser again is the same device, whoever added it before.",
    headers: csrfHeader,
    body: { schema: newDeviceSchema },
    responses: {
      200: jsonAnswer("The device gets alerts from now on.", addedDeviceSchema),
      400: problem("The subscription is not valid, or its address is none of a push service."),
      408: problem("The body took too long to arrive."),
      409: problem(
        "The browser subscribed with another key than the present one, or there are as many devices as allowed.",
      ),
      413: problem("The body is longer than allowed."),
      415: problem("The body is not JSON, or not in an encoding that is understood."),
      ...who,
    },
  },
  {
    ...common,
    method: "delete",
    path: "/api/push",
    summary: "Remove a device",
    description: "Needs no scope: whoever may not see alerts any more can remove what gets none, too.",
    headers: csrfHeader,
    query: deviceQuerySchema,
    responses: {
      204: { description: "The device gets no more alerts." },
      400: problem("The id is not valid."),
      ...who,
      403: problem("With a session's cookie: the origin or the CSRF token is missing or wrong."),
      404: problem("The user has no such device, or this stack has no web push."),
    },
  },
  {
    ...common,
    method: "post",
    path: "/api/push/test",
    summary: "Send a test to the user's devices",
    headers: csrfHeader,
    responses: {
      200: jsonAnswer("What became of it at each of them.", testedSchema),
      429: problem("Too many tests of this user.", retryAfter),
      ...who,
    },
  },
  {
    method: "post",
    path: "/api/push/renew",
    ports: ["public"],
    tag: "push",
    summary: "Tell that this browser has renewed its subscription",
    description:
      "For the service worker of a page, on pushsubscriptionchange. It needs no login, because a worker has none: who knows the endpoint and the secret of before is that browser. The device stays its user's.",
    body: { schema: renewalSchema },
    responses: {
      204: {
        description:
          "Alerts go to the new subscription from now on; the same for whoever tells it again. Where somebody has added it meanwhile, they are that user's, and the device of before is removed.",
      },
      400: problem("The subscription is not valid, or its address is none of a push service."),
      404: problem(
        "Nobody has the device of before, nor the new one (device-unknown); or this stack has no web push (push-off).",
      ),
      408: problem("The body took too long to arrive."),
      409: problem("The browser subscribed with another key than the present one."),
      413: problem("The body is longer than allowed."),
      415: problem("The body is not JSON, or not in an encoding that is understood."),
      429: problem("Too many renewals from this address.", retryAfter),
      503: away,
    },
  },
  {
    method: "post",
    path: "/push/alerts",
    ports: ["internal"],
    tag: "push",
    summary: "Alertmanager tells of alerts",
    description:
      "A webhook of Alertmanager, with its token. The same news is sent once to each device, whichever replica is told of it.",
    body: { schema: alertGroupSchema },
    responses: {
      204: { description: "The service has it, and tries each device until it has it or never will." },
      400: problem("The body is not Alertmanager's."),
      401: problem("The token is missing or wrong."),
      404: off,
      408: problem("The body took too long to arrive."),
      413: problem("The body is longer than allowed."),
      415: problem("The body is not JSON, or not in an encoding that is understood."),
      503: problem("PostgreSQL is away, and not every device has it: tell again.", retryAfter),
    },
  },
];
