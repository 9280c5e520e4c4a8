/**
 * A push service of the tests' own, and the browsers that subscribe there. It is as strict as those of the makers of browsers:
 * it takes a message only with a TTL (RFC 8030 5.2) and a signature by the key that the browser subscribed with (RFC 8292),
 * and the browser reads the message by RFC 8291. Nothing of it is the library's that the service encrypts with.
 */
import {
  createDecipheriv,
  createECDH,
  createHash,
  createPublicKey,
  hkdfSync,
  randomBytes,
  verify,
  type ECDH,
} from "node:crypto";
import { Agent, createServer } from "node:https";
import type { IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { createCertificate } from "../../../infra/components/edge/certificate.ts";
import type { PushReach } from "../../src/push/endpoint.ts";

/** A message as the browser has read it. */
export interface Pushed {
  readonly payload: {
    readonly title: string;
    readonly body: string;
    readonly tag: string;
    isUrgent: boolean;
  };
  readonly ttl: number;
  readonly urgency: string | undefined;
  readonly topic: string | undefined;
  /** Who may be written to about it. */
  readonly contact: string;
}

/** A browser with a subscription. */
export class TestDevice {
  readonly endpoint: string;
  readonly pushed: Pushed[] = [];
  /** What the push service answers: a status, and perhaps Retry-After. It takes messages where none is set. */
  answer: (() => { readonly status: number; readonly retryAfter?: string }) | undefined;
  /** Whether the push service takes what is posted, and never answers. */
  isHanging = false;
  /** How often anything was posted, taken or not. */
  tries = 0;
  readonly #pair: ECDH = createECDH("prime256v1");
  readonly #auth = randomBytes(16);
  readonly #publicKey: string;

  /** @param publicKey the service's, in base64url. */
  constructor(endpoint: string, publicKey: string) {
    this.endpoint = endpoint;
    this.#publicKey = publicKey;
    this.#pair.generateKeys();
  }

  /** What the page sends to the service. */
  body(name = "a phone"): Record<string, unknown> {
    const keys = { p256dh: this.#pair.getPublicKey("base64url"), auth: this.#auth.toString("base64url") };
    return { endpoint: this.endpoint, keys, publicKey: this.#publicKey, name };
  }

  get endpointHash(): string {
    return createHash("sha256").update(this.endpoint).digest("base64url");
  }

  /** @returns the status */
  receive(request: IncomingMessage, body: Buffer): number {
    const { ttl, urgency, topic, authorization } = request.headers;
    const encoding = request.headers["content-encoding"];
    if (ttl === undefined || encoding !== "aes128gcm") return 400;
    const contact = signedBy(authorization ?? "", this.#publicKey, new URL(this.endpoint).origin);
    if (contact === undefined) return 403;
    if (body.length > 4096) return 413;
    this.pushed.push({
      payload: JSON.parse(this.#decrypt(body)) as Pushed["payload"],
      ttl: Number(ttl),
      urgency: urgency as string | undefined,
      topic: topic as string | undefined,
      contact,
    });
    return 201;
  }

  /** RFC 8188 2.1 (the header), RFC 8291 3.4 (the keys), RFC 8188 2 (one record, which ends with 2 and its padding). */
  #decrypt(body: Buffer): string {
    const salt = body.subarray(0, 16);
    const sender = body.subarray(21, 21 + body.readUInt8(20));
    const record = body.subarray(21 + sender.length);
    if (record.length > body.readUInt32BE(16)) throw new Error("more than one record");
    const secret = this.#pair.computeSecret(sender);
    const info = Buffer.concat([Buffer.from("WebPush: info\0"), this.#pair.getPublicKey(), sender]);
    const ikm = Buffer.from(hkdfSync("sha256", secret, this.#auth, info, 32));
    const key = Buffer.from(hkdfSync("sha256", ikm, salt, "Content-Encoding: aes128gcm\0", 16));
    const nonce = Buffer.from(hkdfSync("sha256", ikm, salt, "Content-Encoding: nonce\0", 12));
    const decipher = createDecipheriv("aes-128-gcm", key, nonce);
    decipher.setAuthTag(record.subarray(-16));
    const padded = Buffer.concat([decipher.update(record.subarray(0, -16)), decipher.final()]);
    const end = padded.lastIndexOf(2);
    if (padded.subarray(end + 1).some((byte) => byte !== 0)) throw new Error("no end of a record");
    return padded.subarray(0, end).toString("utf8");
  }
}

/** RFC 8292 2 and 3. @returns whom it names; undefined for a signature that a push service refuses. */
function signedBy(authorization: string, publicKey: string, origin: string): string | undefined {
  const [, token = "", key] = /^vapid t=([^,\s]+),\s?k=([A-Za-z0-9_-]+)$/.exec(authorization) ?? [];
  if (key !== publicKey) return undefined;
  const [head = "", claims = "", signature = ""] = token.split(".");
  const point = Buffer.from(publicKey, "base64url");
  const [x, y] = [point.subarray(1, 33), point.subarray(33)].map((part) => part.toString("base64url"));
  const jwk = createPublicKey({ key: { kty: "EC", crv: "P-256", x, y }, format: "jwk" });
  const isSigned = verify(
    "sha256",
    Buffer.from(`${head}.${claims}`),
    { key: jwk, dsaEncoding: "ieee-p1363" },
    Buffer.from(signature, "base64url"),
  );
  const read = (part: string) =>
    JSON.parse(Buffer.from(part, "base64url").toString()) as Record<string, unknown>;
  const { aud, exp, sub } = read(claims);
  const secondsLeft = Number(exp) - Date.now() / 1000;
  const isValid = isSigned && read(head)["alg"] === "ES256" && aud === origin && secondsLeft > 0;
  return isValid && secondsLeft <= 86_400 ? String(sub) : undefined;
}

const file = (name: string): string => new URL(name, import.meta.url).pathname;

/** What Alertmanager presents to a service with this environment. */
export const PUSH_HOOK = "a-secret-of-the-tests-that-signs-nothing-else";

/** Turns web push on. */
export const pushEnvironment = {
  OMNIAI_PUSH_KEY_FILE: file("./push-key.txt"),
  OMNIAI_PUSH_CONTACT: "mailto:ops@example.org",
  OMNIAI_PUSH_HOOK_SECRET_FILE: file("./auth-secret.txt"),
};

/** The same under another key. */
export const otherPushKey = { OMNIAI_PUSH_KEY_FILE: file("./push-key-2.txt") };

export interface PushService {
  /** How the service reaches it: as in a stack, but here it has a port and an address of this machine. */
  readonly reach: PushReach;
  /** A browser subscribes. */
  subscribe(publicKey: string): TestDevice;
  close(): Promise<void>;
}

/** Starts it, by TLS with a certificate of its own. */
export async function startPushService(): Promise<PushService> {
  const { certificate, key } = await createCertificate(["localhost"]);
  const devices = new Map<string, TestDevice>();
  const server = createServer({ cert: certificate, key }, (request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const device = devices.get(request.url ?? "");
      if (request.method !== "POST" || !device) return void response.writeHead(404).end();
      device.tries++;
      if (device.isHanging) return;
      const scripted = device.answer?.();
      const status = scripted?.status ?? device.receive(request, Buffer.concat(chunks));
      const { retryAfter } = scripted ?? {};
      response.writeHead(status, {
        ...(status === 201 ? { location: `${origin}/message/${randomBytes(8).toString("hex")}` } : {}),
        ...(retryAfter === undefined ? {} : { "retry-after": retryAfter }),
      });
      response.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const origin = `https://localhost:${(server.address() as AddressInfo).port}`;
  const agent = new Agent({ keepAlive: false, ca: certificate });
  return {
    reach: { agent, isAllowed: (endpoint) => endpoint.startsWith(`${origin}/`) },
    subscribe: (publicKey) => {
      const path = `/push/${randomBytes(16).toString("base64url")}`;
      const device = new TestDevice(origin + path, publicKey);
      devices.set(path, device);
      return device;
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
