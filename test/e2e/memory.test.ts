/**
 * One address publishes all it can to a stack with defaults, and holds streams that it does not read: nothing is killed, and
 * the stack can restart with it.
 */
import { strict as assert } from "node:assert";
import { Agent, request as httpRequest } from "node:http";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { createCheckout, removeCheckout } from "../support/checkout.ts";
import { follow, type Follower } from "../support/follower.ts";
import { call, eventually } from "../support/http.ts";
import { createStack, docker, type TestStack } from "../support/stack.ts";

interface Page {
  readonly events: readonly { readonly id: string }[];
  readonly next: string;
  readonly more: boolean;
  readonly reset?: { readonly reason: string; readonly earliest?: string };
}

/** `<epoch>-<ms>-<sequence>` */
function isBefore(left: string, right: string): boolean {
  const [, ms = 0, sequence = 0] = left.split("-").map(Number);
  const [, otherMs = 0, otherSequence = 0] = right.split("-").map(Number);
  return ms < otherMs || (ms === otherMs && sequence < otherSequence);
}

describe("a stack that one address fills with the largest events", function () {
  this.timeout(400_000);
  const connections = 100;
  const seconds = 15;
  let checkout: string;
  let stack: TestStack;
  const acknowledged: string[] = [];

  /** Posts one event. Status 0 means that there was no answer. */
  const post = (agent: Agent, data: string): Promise<{ status: number; id?: string; retryAfter?: number }> =>
    new Promise((resolve) => {
      const request = httpRequest(
        `${stack.http}/api/events`,
        { method: "POST", agent, timeout: 15_000, headers: { "content-type": "application/json" } },
        (response) => {
          let text = "";
          response.setEncoding("utf8").on("data", (part: string) => (text += part));
          response.on("error", () => resolve({ status: 0 }));
          response.on("end", () => {
            const status = response.statusCode ?? 0;
            const retryAfter = Number(response.headers["retry-after"]);
            resolve(
              status === 201
                ? { status, id: (JSON.parse(text) as { id: string }).id }
                : { status, retryAfter },
            );
          });
        },
      );
      request.on("timeout", () => request.destroy(new Error("no answer")));
      request.on("error", () => resolve({ status: 0 }));
      request.end(JSON.stringify({ type: "flood", data }));
    });

  /** Posts on this many connections; each posts its next event after an answer. @returns the answers by status. */
  async function flood(bytes: number): Promise<Map<number, number>> {
    const agent = new Agent({ keepAlive: true, maxSockets: connections });
    const data = "x".repeat(bytes - 2);
    const answers = new Map<number, number>();
    const end = performance.now() + seconds * 1000;
    // A slow machine needs longer to fill and trim the log.
    const enough = acknowledged.length + (48 * 1024 * 1024) / bytes;
    const isOver = (): boolean =>
      performance.now() > end && (acknowledged.length > enough || performance.now() > end + 120_000);
    await Promise.all(
      Array.from({ length: connections }, async () => {
        while (!isOver()) {
          const { status, id, retryAfter } = await post(agent, data);
          answers.set(status, (answers.get(status) ?? 0) + 1);
          if (id) acknowledged.push(id);
          else await sleep(retryAfter ? 100 : 500);
        }
      }),
    );
    agent.destroy();
    return answers;
  }

  const everyContainer = async (): Promise<string[]> =>
    (await docker.listContainers({ all: true, filters: { label: [`io.omniai.stack=${stack.name}`] } })).map(
      ({ Id }) => Id,
    );

  /** For each container: its workload, whether it was ever killed for memory, how often the engine restarted it. */
  const lives = async (): Promise<string[]> =>
    Promise.all(
      (await everyContainer()).map(async (id) => {
        const { Config, State, RestartCount } = await docker.getContainer(id).inspect();
        const workload = Config.Labels["io.omniai.workload"] ?? "";
        return `${workload}: killed for memory ${State.OOMKilled}, started again ${RestartCount} times`;
      }),
    ).then((lines) => lines.sort());
  const unhurt = ["backend", "backend", "edge", "postgres", "redis"].map(
    (workload) => `${workload}: killed for memory false, started again 0 times`,
  );

  const isHealthy = async (): Promise<boolean> => {
    const states = await Promise.all(
      (await everyContainer()).map(
        async (id) => (await docker.getContainer(id).inspect()).State.Health?.Status,
      ),
    );
    if (states.length !== 5 || states.some((state) => state !== "healthy")) return false;
    return (await call(`${stack.http}/readyz`)).status === 200;
  };

  const page = async (after: string): Promise<Page> => {
    for (const end = performance.now() + 70_000; ;) {
      const { status, text } = await call(`${stack.http}/api/events/poll?limit=500&after=${after}`);
      // On a quick machine the flood has used up what its address may ask in a minute, on a slow one its disk has not written all.
      if ((status === 429 || status === 503) && performance.now() < end) {
        await sleep(1000);
        continue;
      }
      assert.equal(status, 200, text);
      return JSON.parse(text) as Page;
    }
  };

  /** The oldest event in the log, and all ids after it, as a client reads them. */
  async function readAll(): Promise<{ earliest: string; ids: Set<string> }> {
    const first = await page(acknowledged[0] ?? "");
    const earliest = first.reset?.earliest ?? acknowledged[0] ?? "";
    const ids = new Set([earliest]);
    let after = earliest;
    for (;;) {
      const { events, next, more, reset } = await page(after);
      assert.equal(reset, undefined);
      for (const { id } of events) ids.add(id);
      after = next;
      if (!more) return { earliest, ids };
    }
  }

  before(async () => {
    checkout = createCheckout();
    stack = await createStack(checkout);
    const { code, output } = await stack.run("up", "--yes");
    assert.equal(code, 0, output);
  });
  after(async () => {
    await stack?.remove();
    removeCheckout(checkout);
  });

  describe("and whose streams have a filter of their own each, some of them unread", () => {
    const events = 300;
    const readers: Follower[] = [];
    const deaf: Socket[] = [];
    after(() => {
      for (const reader of readers) reader.close();
      for (const socket of deaf) socket.destroy();
    });

    /** A stream that is asked for and never read. */
    const openDeaf = (n: number): Promise<Socket> =>
      new Promise((resolve, reject) => {
        const socket = connect(stack.httpPort, "127.0.0.1");
        socket.on("error", reject);
        socket.once("readable", () => resolve(socket));
        socket.write(`GET /api/events?topics=public.*,public.deaf${n} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`);
      });

    it("survives a burst of large events; readers get each of them once", async () => {
      for (let n = 0; n < 40; n++) deaf.push(await openDeaf(n));
      for (let n = 0; n < 60; n++)
        readers.push(follow(`${stack.http}/api/events?topics=public.*,public.r${n}`));
      await eventually("all follow", 60, () => readers.every(({ isLive }) => isLive));
      const agent = new Agent({ keepAlive: true, maxSockets: 40 });
      const posted: string[] = [];
      await Promise.all(
        Array.from({ length: 40 }, async () => {
          while (posted.length < events) {
            const { status, id, retryAfter } = await post(agent, "x".repeat(30_000));
            if (id) posted.push(id);
            else await sleep(retryAfter ? 100 : 500);
            assert.ok([201, 429, 503].includes(status), `answered ${status}`);
          }
        }),
      );
      agent.destroy();
      await eventually("every reader has all that was acknowledged", 120, () =>
        readers.every(({ ids }) => {
          const seen = new Set(ids);
          return posted.every((id) => seen.has(id));
        }),
      );
      assert.deepEqual(await lives(), unhurt);
      for (const { ids } of readers) assert.equal(new Set(ids).size, ids.length, "nothing twice");
    });
  });

  // The data of an event may be 32 KiB.
  for (const bytes of [30_000, 32_768]) {
    describe(`of ${bytes} bytes, on ${connections} connections`, () => {
      it("accepts them or says when to come back; nothing is killed", async () => {
        const answers = await flood(bytes);
        console.log(`      answers: ${JSON.stringify(Object.fromEntries(answers))}`);
        assert.deepEqual(await lives(), unhurt);
        assert.ok((answers.get(201) ?? 0) * bytes > 48 * 1024 * 1024, "too few were taken to fill the log");
        assert.deepEqual(
          [...answers.keys()].filter((status) => ![201, 429, 503].includes(status)),
          [],
        );
      });

      it("is healthy within 30 s after all of it is killed and restarted, with everything that was acknowledged", async () => {
        const before = await readAll();
        const ids = await everyContainer();
        await Promise.all(ids.map((id) => docker.getContainer(id).kill()));
        const started = performance.now();
        await Promise.all(ids.map((id) => docker.getContainer(id).start()));
        await eventually("health", 30, isHealthy);
        console.log(`      healthy after ${((performance.now() - started) / 1000).toFixed(1)} s`);
        assert.deepEqual(await lives(), unhurt);
        const after = await readAll();
        const lost = acknowledged.filter((id) => !isBefore(id, after.earliest) && !after.ids.has(id));
        assert.deepEqual(lost, []);
        assert.equal(after.earliest, before.earliest);
        // It must not get healthy by dropping the log: a good part of its memory has to be history.
        assert.ok(after.ids.size * bytes > 16 * 1024 * 1024, `${after.ids.size} events are kept`);
        await eventually("an event", 70, async () => {
          const answer = await call(`${stack.http}/api/events`, {
            method: "POST",
            body: { type: "after", data: 1 },
          });
          assert.ok([201, 429].includes(answer.status), answer.text);
          return answer.status === 201;
        });
      });
    });
  }

  // Runs last, because the engine counts this restart.
  describe("whose Redis is killed alone", () => {
    it("comes back by itself, with everything that was acknowledged", async () => {
      const [name = ""] = await stack.containers("redis");
      process.kill((await docker.getContainer(name).inspect()).State.Pid, "SIGKILL");
      await eventually(
        "an event",
        // The flood may have used up what its address may send in a minute.
        90,
        async () =>
          (await call(`${stack.http}/api/events`, { method: "POST", body: { type: "after", data: 2 } }))
            .status === 201,
      );
      // Each replica connects again by itself. One that takes events may still have to find its place in the log, and
      // says 503 to readers until then.
      await eventually("health", 90, isHealthy);
      const { earliest, ids } = await readAll();
      assert.deepEqual(
        acknowledged.filter((id) => !isBefore(id, earliest) && !ids.has(id)),
        [],
      );
    });
  });
});
