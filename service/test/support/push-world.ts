/** Two replicas with web push, a push service that their devices are at, and what the tests of it ask of them. */
import { strict as assert } from "node:assert";
import type { Scope } from "../../src/auth/principal.ts";
import type { ServiceOptions } from "../../src/service.ts";
import { addUser, ask, bearer, loginTokens, startAuth, testPool, type Answer } from "./auth.ts";
import type { Instance } from "./instance.ts";
import {
  PUSH_HOOK,
  pushEnvironment,
  startPushService,
  type PushService,
  type TestDevice,
} from "./push-service.ts";
import { testServers } from "./servers.ts";
import { eventually } from "./wait.ts";

const environment = { OMNIAI_STACK: "prod", ...pushEnvironment };
/** Who sees alerts and nothing else. */
export const READER: readonly Scope[] = ["diag:read"];

export interface Listed {
  readonly publicKey: string;
  readonly devices: readonly {
    readonly id: string;
    readonly name: string;
    readonly endpointHash: string;
    readonly lastSentAt: string | null;
    readonly problem: string | null;
    readonly isCurrent: boolean;
  }[];
}

/** As Alertmanager tells of it. */
export const alerts = (name: string, status = "firing", startsAt = "2026-11-27T10:00:00Z") => ({
  ...{
    receiver: "receiver-webpush",
    status,
    version: "4",
    groupKey: `{}:{alertname="${name}"}`,
    externalURL: "",
  },
  ...{ truncatedAlerts: 0, groupLabels: { alertname: name }, commonAnnotations: {} },
  commonLabels: { alertname: name, severity: "critical", stack: "prod" },
  alerts: [
    {
      ...{
        status,
        startsAt,
        endsAt: "0001-01-01T00:00:00Z",
        generatorURL: "",
        fingerprint: "0123456789abcdef",
      },
      labels: { alertname: name, severity: "critical", stack: "prod" },
      annotations: { summary: `${name} is so.` },
    },
  ],
});

/** The titles of what a device has got. */
export const titles = (device: TestDevice): string[] => device.pushed.map(({ payload }) => payload.title);

export const sql = async (text: string, values: unknown[] = []): Promise<Record<string, unknown>[]> =>
  (await (await testPool()).query(text, values)).rows as Record<string, unknown>[];

export const areSent = (): Promise<void> =>
  eventually(
    "what is on its way is there",
    async () => (await sql("SELECT 1 FROM push_deliveries WHERE state = 'sending'")).length === 0,
  );

/** What waits to be tried again may be tried now. */
export const passTime = (): Promise<unknown> =>
  sql("UPDATE push_deliveries SET at = now() WHERE state = 'due'");

/** Starts it before the tests of a group and removes it after them; each begins without a device. */
export function usePushWorld(): PushWorld {
  const world = new PushWorld();
  before(async function () {
    this.timeout(120_000);
    await testServers();
    world.push = await startPushService();
    [world.one, world.two] = await Promise.all([world.start(), world.start()]);
  });
  beforeEach(() => sql("TRUNCATE push_subscriptions, push_messages, push_deliveries"));
  after(async () => {
    await Promise.all([world.one?.stop(), world.two?.stop()]);
    await world.push?.close();
  });
  return world;
}

/** Whoever has logged in. */
export type Owner = Awaited<ReturnType<PushWorld["login"]>>;

export class PushWorld {
  push!: PushService;
  /** The replicas; a test that stops one has to start it again. */
  one!: Instance;
  two!: Instance;

  readonly start = (extra: Record<string, string> = {}, options: ServiceOptions = {}): Promise<Instance> =>
    startAuth("both", { ...environment, ...extra }, { pushReach: this.push.reach, ...options });

  readonly login = async (scopes: readonly Scope[] = READER) => {
    const user = await addUser(scopes);
    const headers = bearer((await loginTokens(this.one, user)).accessToken);
    return {
      user,
      ask: <T = Record<string, unknown>>(
        method: string,
        path: string,
        body?: unknown,
        at: Instance = this.one,
      ): Promise<Answer<T>> => ask<T>(at, method, path, { body, headers }),
    };
  };

  readonly listOf = async (owner: Owner, at = this.one): Promise<Listed> =>
    (await owner.ask<Listed & Record<string, unknown>>("GET", "/api/push", undefined, at)).body;

  readonly added = async (owner: Owner, name = "a phone"): Promise<TestDevice> => {
    const device = this.push.subscribe((await this.listOf(owner)).publicKey);
    const { status, body } = await owner.ask("POST", "/api/push", device.body(name));
    assert.equal(status, 200, JSON.stringify(body));
    return device;
  };

  readonly post = (group: object, at = this.one, secret = PUSH_HOOK): Promise<Answer> =>
    ask({ url: at.internalUrl }, "POST", "/push/alerts", { body: group, headers: bearer(secret) });

  /** Tells, and waits until every device was tried. */
  readonly tell = async (group: object, at = this.one, secret = PUSH_HOOK): Promise<Answer> => {
    const answer = await this.post(group, at, secret);
    await areSent();
    return answer;
  };
}
