/** The routes of web push: those of users, and the one that Alertmanager tells. */
import { createHash, timingSafeEqual } from "node:crypto";
import { Router, type Request, type RequestHandler, type Response } from "express";
import type { Auth } from "../../auth/auth.ts";
import { hasScope, insufficientScope, requireKnown } from "../../auth/principal.ts";
import { clientAddress } from "../../platform/address.ts";
import { jsonBody } from "../../platform/body.ts";
import { reasonOf } from "../../platform/deadline.ts";
import type { Logger } from "../../platform/logging.ts";
import { methodNotAllowed, Problem } from "../../platform/problems.ts";
import type { RateLimit } from "../../platform/rate-limit.ts";
import { validated } from "../../platform/validate.ts";
import type { Delivery } from "../delivery.ts";
import type { GateState } from "../gate.ts";
import { alertGroupSchema, alertMessage, testMessage } from "../message.ts";
import type { PushStore, Removed } from "../store.ts";
import { deviceQuerySchema, deviceSchemaFor, renewalSchemaFor } from "./schema.ts";

/** What the routes need, where the stack has web push. */
export interface PushParts {
  readonly store: PushStore;
  readonly delivery: Delivery;
  readonly publicKey: string;
  /** What Alertmanager presents. */
  readonly hookSecret: string;
  readonly isAllowed: (endpoint: string) => boolean;
  readonly tests: RateLimit;
  /** Of one address: who renews a subscription is not asked for a login. */
  readonly renewals: RateLimit;
  /** See clientAddress. */
  readonly trustProxyHops: number;
  readonly stack: string;
  readonly gate: () => Promise<GateState>;
}

export interface PushRouterOptions {
  /** Undefined: the stack has none, and every route says so. */
  readonly push: PushParts | undefined;
  readonly auth: Auth;
  readonly logger: Logger;
}

/** In bytes: far above every valid body. */
const BODY_LIMIT = 4096;
/** Alertmanager is told to send at most 20 alerts (infra/components/monitoring/receivers.ts). */
const ALERTS_LIMIT = 262_144;

type WithPush = (push: PushParts) => RequestHandler;

/** Answers 404 where there is no web push, before anything else is asked. */
const only = (push: PushParts | undefined, handler: WithPush): RequestHandler =>
  push
    ? handler(push)
    : (_request, _response, next) => next(new Problem("push-off", "This stack has no web push."));

/** For those who may see alerts. */
const mayReadAlerts: RequestHandler = (_request, response, next) => {
  response.set("Cache-Control", "no-store");
  if (!hasScope(requireKnown(response), "diag:read")) throw insufficientScope("diag:read");
  next();
};

/** @throws Problem 503 for every failure of PostgreSQL. */
async function available<T>(work: Promise<T>, logger: Logger): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof Problem) throw error;
    logger.warn({ reason: reasonOf(error) }, "devices cannot be asked for");
    throw new Problem("push-unavailable", "Devices cannot be asked for at the moment.", {
      headers: { "Retry-After": "5" },
    });
  }
}

/** /api/push. */
export function pushRouter({ push, auth, logger }: PushRouterOptions): Router {
  const router = Router();
  const isOn = only(push, () => (_request, _response, next) => next());
  router
    .route("/")
    // A page asks for it by itself, so that it is no use of the session.
    .get(
      isOn,
      auth.look,
      mayReadAlerts,
      only(push, (parts) => getPush(parts, logger)),
    )
    .post(
      isOn,
      auth.identify,
      mayReadAlerts,
      jsonBody(BODY_LIMIT),
      only(push, (parts) => postDevice(parts, auth, logger)),
    )
    .delete(
      isOn,
      auth.identify,
      // Also for whoever may not see alerts any more.
      only(push, (parts) => deleteDevice(parts, auth, logger)),
    )
    .all(methodNotAllowed("GET", "HEAD", "POST", "DELETE", "OPTIONS"));
  router
    .route("/test")
    .post(
      isOn,
      auth.identify,
      mayReadAlerts,
      only(push, (parts) => postTest(parts, logger)),
    )
    .all(methodNotAllowed("POST", "OPTIONS"));
  router
    .route("/renew")
    .post(
      only(push, limitRenewals),
      jsonBody(BODY_LIMIT),
      only(push, (parts) => postRenewal(parts, auth, logger)),
    )
    .all(methodNotAllowed("POST", "OPTIONS"));
  return router;
}

function getPush({ store, publicKey }: PushParts, logger: Logger): RequestHandler {
  return async (_request, response) => {
    const { userId } = requireKnown(response);
    const devices = await available(store.list(userId), logger);
    response.json({
      publicKey,
      devices: devices.map(({ endpoint, createdAt, lastSentAt, ...device }) => ({
        ...device,
        endpointHash: createHash("sha256").update(endpoint).digest("base64url"),
        createdAt: createdAt.toISOString(),
        lastSentAt: lastSentAt?.toISOString() ?? null,
      })),
    });
  };
}

function postDevice(
  { store, publicKey, isAllowed, delivery }: PushParts,
  auth: Auth,
  logger: Logger,
): RequestHandler {
  const schema = deviceSchemaFor(isAllowed);
  return async (request, response) => {
    const { userId, credential } = requireKnown(response);
    // A device outlives the credential that added it, so a leaked token must not be enough.
    if (credential.kind === "token") {
      throw new Problem(
        "login-needed",
        "A device is added by whoever has logged in, not with a personal API token.",
      );
    }
    // An endpoint is a secret: what is wrong is named, and never a value.
    const wanted = validated(schema, request.body, ...INVALID);
    if (wanted.publicKey !== publicKey) throw keyChanged();
    const { endpoint, keys, name } = wanted;
    const replaces = wanted.replaces === undefined ? undefined : Buffer.from(wanted.replaces, "base64url");
    const { id, removed } = await available(store.add(userId, { endpoint, ...keys, name, replaces }), logger);
    for (const each of removed) await recordRemoved(auth, request, response, each);
    if (id === undefined) {
      throw new Problem("too-many-devices", "There are as many devices as allowed. Remove one first.");
    }
    const detail = { device: id, service: new URL(endpoint).hostname };
    await auth.record(request, response, { action: "device.add", userId, detail });
    void delivery.learn().catch(() => undefined);
    response.json({ id });
  };
}

/** Each user's log has what became of each of the user's devices, whoever caused it. */
const recordRemoved = (
  auth: Auth,
  request: Request,
  response: Response,
  { id: device, userId, reason }: Removed,
): Promise<void> =>
  auth.record(request, response, { action: "device.remove", userId, detail: { device, reason } });

const INVALID = ["invalid-request", "The subscription is not valid.", "code"] as const;

const keyChanged = (): Problem =>
  new Problem("push-key-changed", "The service has another key now. Ask for it and subscribe anew.");

/** Comes before the body is read: a secret of 16 bytes is not guessed, but each guess costs a statement. */
function limitRenewals({ renewals, trustProxyHops }: PushParts): RequestHandler {
  return async (request, response, next) => {
    response.set("Cache-Control", "no-store");
    await renewals.take(clientAddress(request, trustProxyHops), response);
    next();
  };
}

/**
 * A browser renews its subscription when it likes, and then its service worker alone is awake: no page, and mostly no login any
 * more. What it knows of the subscription of before is its proof.
 */
function postRenewal(
  { store, publicKey, isAllowed, delivery, renewals, trustProxyHops }: PushParts,
  auth: Auth,
  logger: Logger,
): RequestHandler {
  const schema = renewalSchemaFor(isAllowed);
  return async (request, response) => {
    const wanted = validated(schema, request.body, ...INVALID);
    if (wanted.publicKey !== publicKey) throw keyChanged();
    const { endpoint, keys, before } = wanted;
    const renewed = await available(store.renew(before, { endpoint, ...keys }), logger);
    if (!renewed) throw new Problem("device-unknown", "There is no such device.");
    // The limit is for those who guess.
    await renewals.giveBack(clientAddress(request, trustProxyHops));
    if (renewed.kind === "renewed") {
      const { id: device, userId } = renewed;
      const detail = { device, service: new URL(endpoint).hostname };
      await auth.record(request, response, { action: "device.renew", userId, detail });
    }
    if (renewed.kind === "removed") await recordRemoved(auth, request, response, renewed);
    void delivery.learn().catch(() => undefined);
    response.status(204).end();
  };
}

function deleteDevice({ store, delivery }: PushParts, auth: Auth, logger: Logger): RequestHandler {
  return async (request, response) => {
    const { userId } = requireKnown(response);
    const { id } = validated(
      deviceQuerySchema,
      request.query,
      "invalid-request",
      "The request is not valid.",
      "code",
    );
    if (!(await available(store.remove(userId, id), logger))) {
      throw new Problem("device-unknown", "You have no such device.");
    }
    await auth.record(request, response, { action: "device.remove", userId, detail: { device: id } });
    void delivery.learn().catch(() => undefined);
    response.set("Cache-Control", "no-store").status(204).end();
  };
}

function postTest({ store, delivery, tests, stack, gate }: PushParts, logger: Logger): RequestHandler {
  return async (_request, response) => {
    const { userId } = requireKnown(response);
    await tests.take(userId, response);
    const devices = await available(store.readyOf(userId), logger);
    const [state, results] = await Promise.all([gate(), delivery.deliverTest(testMessage(stack), devices)]);
    response.json({
      gate: state,
      devices: results.map(({ device, outcome }) => ({
        id: device.id,
        outcome: outcome.kind === "sent" || outcome.kind === "gone" ? outcome.kind : "failed",
        ...("why" in outcome ? { detail: outcome.why } : {}),
      })),
    });
  };
}

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();

/** /push on the internal port. */
export function pushHookRouter({ push, logger }: PushRouterOptions): Router {
  const router = Router();
  router
    .route("/alerts")
    .post(
      only(push, checkHook),
      jsonBody(ALERTS_LIMIT),
      only(push, (parts) => postAlerts(parts, logger)),
    )
    .all(methodNotAllowed("POST"));
  return router;
}

/** Whoever is on the network could tell of alerts that there are not. */
function checkHook({ hookSecret }: PushParts): RequestHandler {
  const expected = digest(`Bearer ${hookSecret}`);
  return (request, _response, next) => {
    if (timingSafeEqual(digest(request.get("authorization") ?? ""), expected)) return next();
    next(
      new Problem("unauthenticated", "The token is missing or wrong.", {
        headers: { "WWW-Authenticate": "Bearer" },
      }),
    );
  };
}

function postAlerts({ delivery }: PushParts, logger: Logger): RequestHandler {
  return async (request, response) => {
    const group = validated(alertGroupSchema, request.body, "invalid-request", "This is not Alertmanager's.");
    const pending = await available(delivery.deliver(alertMessage(group)), logger);
    response.set("Cache-Control", "no-store");
    if (pending === 0) return void response.status(204).end();
    throw new Problem(
      "push-unavailable",
      `PostgreSQL is away, and ${pending} of the devices have still to get it.`,
      {
        headers: { "Retry-After": "15" },
      },
    );
  };
}
