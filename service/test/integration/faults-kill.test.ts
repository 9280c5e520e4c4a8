/** Servers and replicas that are killed under load. */
import { strict as assert } from "node:assert";
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { eventually, post, startInstance, statusOf, type Instance } from "../support/instance.ts";
import { startProcess, type Process } from "../support/process.ts";
import { testServers, type Servers } from "../support/servers.ts";
import { SseClient } from "../support/sse.ts";

/** A page's client: comes back after every end, to the next replica, with its last id. */
class Follower {
  readonly ids: string[] = [];
  resets = 0;
  #isOver = false;
  #last = "";
  readonly #done: Promise<void>;

  constructor(urls: readonly string[], first: number) {
    this.#done = this.#run(urls, first);
  }

  get isJoined(): boolean {
    return this.#last !== "";
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#done;
  }

  async #run(urls: readonly string[], first: number): Promise<void> {
    for (let turn = first; !this.#isOver; turn++) {
      const headers: Record<string, string> = this.#last === "" ? {} : { "last-event-id": this.#last };
      const client = new SseClient(`${urls[turn % urls.length]}/api/events`, headers);
      let seen = 0;
      let hasEnded = false;
      void client.ended.then(() => (hasEnded = true));
      while (!this.#isOver && !hasEnded) {
        await sleep(10);
        seen = this.#take(client, seen);
      }
      this.#take(client, seen);
      client.close();
    }
  }

  #take(client: SseClient, seen: number): number {
    const { events, lastEventId } = client.parser;
    for (const { event, id } of events.slice(seen)) {
      if (event === "n") this.ids.push(id ?? "");
      if (event === "reset") this.resets++;
    }
    if (lastEventId !== "") this.#last = lastEventId;
    return events.length;
  }
}

describe("servers and replicas that are killed under load", function () {
  this.timeout(120_000);
  let servers: Servers;

  before(async function () {
    this.timeout(120_000);
    servers = await testServers();
  });

  /** Publishers that send again until they know, and clients that come back, while `fault` happens. */
  async function underLoad(urls: readonly string[], fault: () => Promise<void>): Promise<void> {
    const followers = urls.flatMap((_, index) => Array.from({ length: 5 }, () => new Follower(urls, index)));
    await eventually("joined", () => followers.every(({ isJoined }) => isJoined));
    const acknowledged = new Set<string>();
    let isOver = false;
    const publishers = Array.from({ length: 8 }, async (_, publisher) => {
      for (let turn = publisher; !isOver;) {
        const key = randomUUID();
        for (let isKnown = false; !isKnown && !isOver;) {
          const url = urls[turn % urls.length] ?? "";
          const answer = await post({ url }, { type: "n", data: key }, { "idempotency-key": key }).catch(
            () => undefined,
          );
          if (answer?.status === 201) {
            acknowledged.add(answer.id);
            isKnown = true;
          } else {
            turn++;
            await sleep(50);
          }
        }
      }
    });
    await eventually("under load", () => acknowledged.size > 16);
    await fault();
    const before = acknowledged.size;
    await eventually("acknowledged after it", () => acknowledged.size > before + 16);
    isOver = true;
    await Promise.all(publishers);
    assert.ok(before > 0);
    for (const follower of followers) {
      await eventually("every acknowledged event", () => {
        const got = new Set(follower.ids);
        return [...acknowledged].every((id) => got.has(id));
      });
      await follower.stop();
      assert.equal(new Set(follower.ids).size, follower.ids.length, "no id twice");
      assert.deepEqual(follower.ids, [...follower.ids].sort(), "in order");
      assert.equal(follower.resets, 0);
    }
  }

  it("lose no acknowledged event and double none when one of two replicas gets SIGKILL", async () => {
    const replicas: Process[] = await Promise.all([startProcess({}), startProcess({})]);
    const [first, second] = replicas;
    assert.ok(first && second);
    await underLoad(
      replicas.map(({ url }) => url),
      async () => {
        first.child.kill("SIGKILL");
        await first.exit;
        await sleep(1000);
      },
    );
    assert.equal(await statusOf(`${second.internalUrl}/readyz`), 200);
    second.child.kill("SIGTERM");
    assert.deepEqual(await second.exit, [0, null]);
  });

  it("lose and double nothing when an operator restarts Redis", async () => {
    const replicas: Instance[] = await Promise.all([startInstance(), startInstance()]);
    try {
      await underLoad(
        replicas.map(({ url }) => url),
        () => servers.redis.restart(),
      );
    } finally {
      await Promise.all(replicas.map((replica) => replica.stop()));
    }
  });
});
