/** The device that a browser is, without a browser: what a visit does with a subscription, a decision and a record of the worker's. */
import { strict as assert } from "node:assert";
import { createHash } from "node:crypto";
import { pushDevice, standingOf } from "../../frontend/js/diag/push-device.js";
import type { Subscription } from "../../frontend/js/diag/push-subscription.js";

type Parts = Parameters<typeof pushDevice>[0];
type Browser = NonNullable<Parts["browser"]>;
type Kept = NonNullable<Awaited<ReturnType<Browser["kept"]>>>;
type Device = Awaited<ReturnType<ReturnType<typeof pushDevice>["add"]>>;
type Decision = Parameters<ReturnType<typeof pushDevice>["add"]>[1];

const KEY = "AQID";
const endpointOf = (name: string): string => `https://push.example.org/${name}`;
const hashOf = (name: string): string => createHash("sha256").update(endpointOf(name)).digest("base64url");
const listed = (name: string): Device => ({
  ...{ id: name, name: "a phone", endpointHash: hashOf(name), createdAt: "" },
  ...{ lastSentAt: null, problem: null, isCurrent: true },
});

/** A browser, the service as far as the page asks it, and what they were told. */
class World {
  /** The name of the browser's subscription; undefined for none. */
  subscribed: string | undefined;
  kept: Kept | undefined;
  decided: string | undefined;
  signedIn = "ada";
  /** What the service was asked to do. */
  readonly asked: string[] = [];
  /** What each of them waits for, or fails with. */
  before: (what: string) => Promise<void> = () => Promise.resolve();

  readonly #browser: Browser = {
    isPermitted: () => true,
    registered: async () => {
      await this.before("registered");
      const pushManager = {
        getSubscription: () =>
          Promise.resolve(this.subscribed === undefined ? null : this.#subscription(this.subscribed)),
        subscribe: () => Promise.resolve(this.#subscription((this.subscribed ??= "new"))),
      };
      return { scope: "https://page.example/", pushManager };
    },
    kept: () => Promise.resolve(this.kept),
    keep: (_registration, known, subscription) => {
      const auth = "secret";
      this.kept = known && subscription ? { ...known, endpoint: subscription.endpoint, auth } : undefined;
      return Promise.resolve();
    },
    name: () => "a phone",
  };

  #subscription(name: string): Subscription {
    const endpoint = endpointOf(name);
    return {
      endpoint,
      options: { applicationServerKey: Uint8Array.from([1, 2, 3]).buffer },
      toJSON: () => ({ endpoint, keys: { auth: "secret", p256dh: "p" } }),
      unsubscribe: () => {
        this.subscribed = undefined;
        return Promise.resolve(true);
      },
    };
  }

  /** As the page kept it for the worker, or the worker after it. */
  keeps(name: string, more: Partial<Kept> = {}): void {
    this.kept = { api: "", publicKey: KEY, endpoint: endpointOf(name), auth: "secret", ...more };
  }

  readonly decision: Decision = {
    userId: "ada",
    read: () => this.decided,
    write: (decided) => (this.decided = decided),
    endOthers: () => undefined,
  };

  readonly device = pushDevice({
    api: {
      baseUrl: "",
      post: async (_path, body) => {
        await this.before("post");
        const { endpoint, replaces } = body as { endpoint: string; replaces?: string };
        this.asked.push(`add ${endpoint.split("/").at(-1)} for ${replaces ?? "none"}`);
        return { id: "added" };
      },
      request: async (path, options) => {
        await this.before("request");
        this.asked.push(`${options?.method} ${path}`);
        return new Response(null, { status: 204 });
      },
    },
    userId: () => this.signedIn,
    browser: this.#browser,
  });

  find = (...devices: string[]) =>
    this.device.find({ publicKey: KEY, devices: devices.map(listed) }, this.decision);
}

describe("a subscription that the service does not know", () => {
  const found = { decided: "E1", hash: "E2", keptHash: "E1", isUnknown: false, isListed: false };

  it("is a renewed one where the user has turned alerts on here, and the worker has not told of it", () => {
    assert.equal(standingOf(found), "renewed");
    assert.equal(standingOf({ ...found, keptHash: undefined }), "renewed");
    // The browser has lost it.
    assert.equal(standingOf({ ...found, hash: "" }), "renewed");
    // The worker has told of it after the service was asked for its list.
    assert.equal(standingOf({ ...found, keptHash: "E2", isListed: true }), "renewed");
  });

  it("is one that somebody removed where the service knew it, whoever told of it", () => {
    assert.equal(standingOf({ ...found, hash: "E1" }), "lost");
    assert.equal(standingOf({ ...found, keptHash: "E2" }), "lost");
    assert.equal(standingOf({ ...found, isUnknown: true }), "lost");
    assert.equal(standingOf({ ...found, hash: "", isUnknown: true }), "lost");
  });

  it("is nobody's where the user has decided nothing, or otherwise", () => {
    for (const decided of [undefined, "off", "lost"])
      assert.equal(standingOf({ ...found, decided, isUnknown: true }), "none");
  });
});

describe("a visit of a browser with alerts", () => {
  let world: World;
  beforeEach(() => {
    world = new World();
    world.subscribed = "E2";
    world.decided = hashOf("E1");
  });

  it("adds a renewed one in the place of the one before, without a question", async () => {
    world.keeps("E1");
    const { own, isRenewed } = await world.find("E1", "another");
    assert.deepEqual([own?.endpointHash, isRenewed], [hashOf("E2"), true]);
    assert.deepEqual(world.asked, [`add E2 for ${hashOf("E1")}`]);
    assert.equal(world.decided, hashOf("E2"));
    assert.equal(world.kept?.endpoint, endpointOf("E2"));
  });

  it("adds one in the place of the one that the worker told of, where the worker could not tell of this one", async () => {
    world.subscribed = "E3";
    world.keeps("E2");
    assert.equal((await world.find("E2")).isRenewed, true);
    assert.deepEqual(world.asked, [`add E3 for ${hashOf("E2")}`]);
  });

  it("is not misled by a list from before the worker told of it", async () => {
    world.keeps("E2");
    assert.equal((await world.find("E1")).own?.endpointHash, hashOf("E2"));
    assert.equal(world.decided, hashOf("E2"));
  });

  it("knows one again that the worker has told of", async () => {
    world.keeps("E2");
    assert.equal((await world.find("E2")).own?.id, "E2");
    assert.deepEqual([world.decided, world.asked], [hashOf("E2"), []]);
  });

  for (const [why, keeps] of [
    ["after the worker had told of it", () => world.keeps("E2")],
    ["before the worker told of it", () => world.keeps("E1", { isUnknown: true })],
  ] as const)
    it(`leaves one away that was removed ${why}, and the worker tells nothing more`, async () => {
      keeps();
      assert.deepEqual(await world.find("another"), {});
      assert.deepEqual([world.decided, world.kept, world.asked], ["lost", undefined, []]);
      // Also when the browser renews or loses it afterwards.
      for (const subscribed of ["E3", undefined]) {
        world.subscribed = subscribed;
        assert.deepEqual(await world.find("another"), {});
      }
      assert.deepEqual([world.decided, world.asked], ["lost", []]);
    });

  it("does not turn on again what is turned off meanwhile", async () => {
    world.decided = hashOf("E2");
    world.before = (what) => {
      if (what === "registered") world.decided = "off";
      return Promise.resolve();
    };
    assert.deepEqual(await world.find("E2"), {});
    assert.deepEqual([world.decided, world.kept, world.asked], ["off", undefined, []]);
  });

  it("adds nothing for somebody who has signed in meanwhile", async () => {
    world.keeps("E1");
    world.before = () => {
      world.signedIn = "bob";
      return Promise.resolve();
    };
    await assert.rejects(world.find("E1"), /Somebody else has signed in/);
    assert.deepEqual([world.decided, world.asked], [hashOf("E1"), []]);
  });

  it("that turns them off tells the service and the browser, and one of them is enough", async () => {
    for (const failing of [undefined, "request", "registered"]) {
      world.subscribed = "E2";
      world.decided = hashOf("E2");
      world.before = (what) => (what === failing ? Promise.reject(new Error("away")) : Promise.resolve());
      await world.device.end(listed("E2"), world.decision);
      assert.equal(world.decided, "off");
    }
    assert.deepEqual(world.asked, ["DELETE /api/push?id=E2", "DELETE /api/push?id=E2"]);
  });

  it("that could turn them off at neither leaves them on, and says so", async () => {
    world.decided = hashOf("E2");
    world.before = () => Promise.reject(new Error("away"));
    await assert.rejects(world.device.end(listed("E2"), world.decision), /away/);
    world.before = () => Promise.resolve();
    assert.equal((await world.find("E2")).own?.id, "E2");
  });
});
