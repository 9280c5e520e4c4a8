/** The fan-out: who gets what, and what clients hold that do not take it. */
import { strict as assert } from "node:assert";
import { Writable } from "node:stream";
import fc from "fast-check";
import type { EventLog, LogEntry } from "../../src/events/log/log.ts";
import { Backlog } from "../../src/events/stream/backlog.ts";
import { BATCH_BYTES, Parts, toBatches, toDeliveries } from "../../src/events/stream/delivery.ts";
import { Hub } from "../../src/events/stream/hub.ts";
import { join as resume } from "../../src/events/stream/join.ts";
import { RecentEvents } from "../../src/events/stream/recent.ts";
import { EventStream } from "../../src/events/stream/stream.ts";
import { TopicIndex } from "../../src/events/stream/topic-index.ts";
import { parseFilter, type TopicFilter } from "../../src/events/stream/topics.ts";
import { SpecParser } from "../support/sse.ts";
import { eventually } from "../support/wait.ts";

const EPOCH = "aaaa";
const KIBIBYTE = 1024;
const MEBIBYTE = 1024 * KIBIBYTE;

function filterOf(...patterns: string[]): TopicFilter {
  const filter = parseFilter(patterns);
  assert.ok(filter);
  return filter;
}

const entryOf = (number: number, topic: string, data: string): LogEntry => ({
  epoch: EPOCH,
  id: `${number}-0`,
  number,
  topic,
  type: "n",
  data,
});

/** A client that takes what it was sent when it is told to, as a socket with a full buffer does. */
class Client {
  readonly stream: EventStream;
  readonly parser = new SpecParser();
  /** What it was sent and has not taken. */
  readonly untaken = new Set<Buffer>();
  isDeaf = false;
  #taken: () => void = () => undefined;

  constructor(filter: TopicFilter, isChunked = false) {
    const sink = new Writable({
      decodeStrings: true,
      writev: (chunks, done) =>
        this.#take(
          chunks.map(({ chunk }) => chunk as Buffer),
          done,
        ),
      write: (chunk: Buffer, _encoding, done) => this.#take([chunk], done),
    });
    this.stream = new EventStream(sink, isChunked, filter, { stallMs: 1e6, maxAgeMs: 1e6 });
    const write = sink.write.bind(sink) as (chunk: unknown, done?: () => void) => boolean;
    sink.write = (chunk: unknown, done?: unknown) => {
      if (Buffer.isBuffer(chunk)) this.untaken.add(chunk);
      return write(chunk, done as () => void);
    };
  }

  #take(chunks: readonly Buffer[], done: () => void): void {
    const take = (): void => {
      for (const chunk of chunks) {
        this.parser.push(chunk.toString());
        this.untaken.delete(chunk);
      }
      done();
    };
    if (this.isDeaf) this.#taken = take;
    else take();
  }

  /** From now on it takes everything again. */
  hear(): void {
    this.isDeaf = false;
    this.takeOnce();
  }

  /** It takes what it was given so far, and no more if it is deaf. */
  takeOnce(): void {
    const taken = this.#taken;
    this.#taken = () => undefined;
    taken();
  }

  get numbers(): number[] {
    return this.parser.events.filter(({ event }) => event === "n").map(({ data }) => parseInt(data));
  }

  get farewell(): string | undefined {
    return this.parser.events.find(({ event }) => event === "bye")?.data;
  }
}

/** What is in memory because of these clients. */
const heldBy = (clients: readonly Client[]): number =>
  [
    ...new Set(
      clients.flatMap(({ stream, untaken }) =>
        stream.isOver ? [] : [...untaken].map(({ buffer }) => buffer),
      ),
    ),
  ].reduce((sum, { byteLength }) => sum + byteLength, 0);

describe("the fan-out", () => {
  const clients: Client[] = [];
  let hub: Hub;
  let last: number;

  function begin({ recent = 4 * MEBIBYTE, backlog = 8 * MEBIBYTE } = {}): void {
    clients.splice(0);
    last = 0;
    hub = new Hub(
      new RecentEvents(2048, recent),
      new Backlog(backlog, {
        [Symbol.iterator]: () => clients.map(({ stream }) => stream)[Symbol.iterator](),
      }),
    );
    hub.start({ epoch: EPOCH, first: undefined, last: "0-0", count: 0, length: 0, bytes: 0 }, []);
  }
  const join = (...patterns: string[]): Client => {
    const client = new Client(filterOf(...patterns));
    clients.push(client);
    hub.attach(client.stream, `${last}-0`);
    return client;
  };
  const publish = (count: number, bytes = 10, topic = "public.x"): void =>
    hub.publish(Array.from({ length: count }, () => entryOf(++last, topic, `${last}`.padEnd(bytes, " "))));
  beforeEach(() => begin());

  it("holds for clients that do not read what was fanned out once, however many filters they have", () => {
    for (let n = 0; n < 200; n++) join("public.*", `public.f${n}`).isDeaf = true;
    // As long as events may be, and as many as one read of the log has.
    for (let n = 0; n < 10; n++) publish(100, 30 * KIBIBYTE);
    assert.ok(heldBy(clients) <= 8 * MEBIBYTE, `${heldBy(clients)} bytes`);
  });

  it("holds no more when each of them begins to wait at another time", () => {
    for (let n = 0; n < 1000; n++) {
      join("public.*", `public.f${n}`).isDeaf = true;
      publish(3, 20 * KIBIBYTE);
      if (n % 50 === 0) assert.ok(heldBy(clients) <= 8 * MEBIBYTE, `${heldBy(clients)} bytes`);
    }
    const dropped = clients.filter(({ stream }) => stream.isOver);
    assert.ok(dropped.length > 800);
    assert.ok(dropped.every(({ stream }) => stream.reason === "slow"));
    // The slowest first: whoever came last is still there.
    assert.equal(clients.at(-1)?.stream.isOver, false);
  });

  it("writes no small events behind one that does not read", () => {
    const deaf = join("public.*");
    deaf.isDeaf = true;
    for (let n = 0; n < 2000; n++) publish(1);
    assert.ok(deaf.untaken.size <= 2, `${deaf.untaken.size} writes`);
  });

  it("gives a client what it missed as soon as it reads on, in order and once", async () => {
    const [slow, quick] = [join("public.*"), join("public.*", "public.y")];
    slow.isDeaf = true;
    for (let n = 0; n < 50; n++) publish(7, 5000);
    slow.hear();
    await eventually("caught up", () => slow.numbers.length === last);
    publish(3);
    const all = Array.from({ length: last }, (_, at) => at + 1);
    assert.deepEqual([slow.numbers, quick.numbers], [all, all]);
    assert.equal(slow.parser.lastEventId, `${EPOCH}-${last}-0`);
  });

  for (const isChunked of [true, false]) {
    const body = isChunked ? "a chunked" : "a plain";
    /** Lets the client take what it gets, one after the other, and says how many pieces it held at most. */
    const piecesOf = async (client: Client): Promise<number> => {
      let most = 0;
      for (let n = 0; n < 300 && client.numbers.length < 1000; n++) {
        client.takeOnce();
        await new Promise(setImmediate);
        most = Math.max(most, client.untaken.size);
      }
      const wanted = Array.from({ length: 1000 }, (_, at) => 2 * at + 1);
      assert.deepEqual(client.numbers, wanted);
      return most;
    };
    // Each event that it wants stands between two that it does not want.
    const publishApart = (): void => {
      for (let n = 0; n < 1000; n++) for (const topic of ["public.x", "public.y"]) publish(1, 10, topic);
    };

    it(`gives what ${body} body missed in few pieces at once`, async () => {
      const client = new Client(filterOf("public.x"), isChunked);
      client.isDeaf = true;
      clients.push(client);
      hub.attach(client.stream, "0-0");
      publishApart();
      const pieces = await piecesOf(client);
      assert.ok(pieces > 10 && pieces <= 70, `${pieces} pieces`);
    });

    it(`resumes ${body} body from memory in few pieces at once`, async () => {
      publishApart();
      const client = new Client(filterOf("public.x"), isChunked);
      client.isDeaf = true;
      const resumed = resume(client.stream, `${EPOCH}-0-0`, hub, {} as EventLog);
      const pieces = await piecesOf(client);
      assert.ok(pieces > 10 && pieces <= 70, `${pieces} pieces`);
      client.hear();
      assert.deepEqual(await resumed, { kind: "resumed", replayed: 1000 });
    });
  }

  it("gives a chunked body that wants all of it what it missed in large pieces", async () => {
    const client = new Client(filterOf("public.*"), true);
    client.isDeaf = true;
    clients.push(client);
    hub.attach(client.stream, "0-0");
    for (let n = 0; n < 20; n++) publish(100);
    let [most, count] = [0, 0];
    for (; client.numbers.length < last && count < 100; count++) {
      client.takeOnce();
      await new Promise(setImmediate);
      most = Math.max(most, client.untaken.size);
    }
    assert.equal(client.numbers.length, last);
    assert.ok(count < 20 && most < 10, `${count} writes of up to ${most} pieces`);
  });

  it("says no position to a client that has missed something", async () => {
    const slow = join("public.*");
    slow.isDeaf = true;
    publish(2);
    hub.heartbeat(slow.stream);
    publish(2);
    slow.hear();
    hub.heartbeat(slow.stream);
    await eventually("caught up", () => slow.numbers.length === last);
    const ids = slow.parser.events.filter(({ event }) => event === "hb").map(({ id }) => id);
    assert.ok(
      ids.every((id) => id === undefined || id === `${EPOCH}-2-0`),
      String(ids),
    );
    hub.heartbeat(slow.stream);
    assert.equal(slow.parser.lastEventId, `${EPOCH}-4-0`);
  });

  it("tells a client that missed more than is in memory that it is too slow", async () => {
    begin({ recent: 100 * KIBIBYTE });
    const slow = join("public.*");
    slow.isDeaf = true;
    publish(20, 10 * KIBIBYTE);
    assert.equal(slow.stream.isOver, false);
    slow.hear();
    await eventually("a farewell", () => slow.farewell !== undefined);
    assert.match(slow.farewell ?? "", /"reason":"slow"/);
    assert.equal(slow.stream.reason, "slow");
    // What it has is whole up to its last id: it can go on from there.
    const { numbers } = slow;
    assert.deepEqual(
      numbers,
      numbers.map((_, at) => at + 1),
    );
    assert.equal(slow.parser.lastEventId, `${EPOCH}-${numbers.length}-0`);
  });

  it("resets a client that was left behind, and goes on from there", async () => {
    const slow = join("public.*");
    slow.isDeaf = true;
    publish(1);
    publish(3);
    hub.reset({ epoch: EPOCH, id: "100-0" }, "trimmed");
    last = 100;
    publish(1);
    slow.hear();
    await eventually("all of it", () => slow.numbers.includes(101));
    const kinds = slow.parser.events.filter(({ event }) => event !== "hb").map(({ event }) => event);
    assert.deepEqual([kinds.at(-2), kinds.at(-1)], ["reset", "n"]);
    assert.ok(!slow.numbers.includes(4));
  });

  it("gives each client exactly what its filter matches, however it reads", async () => {
    const words = ["a", "b", "c"];
    const word = fc.constantFrom(...words);
    const topic = fc
      .array(word, { minLength: 1, maxLength: 3 })
      .map((parts) => ["public", ...parts].join("."));
    const pattern = fc.oneof(
      topic,
      topic.map((name) => `${name}.*`),
      fc.constant("public.*"),
    );
    const filter = fc.array(pattern, { minLength: 1, maxLength: 4 });
    const step = fc.oneof(
      fc.record({ topics: fc.array(topic, { minLength: 1, maxLength: 20 }) }),
      fc.record({ client: fc.nat(9), isDeaf: fc.boolean() }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(filter, { minLength: 1, maxLength: 10 }),
        fc.array(step, { maxLength: 40 }),
        async (filters, steps) => {
          begin();
          const topics: string[] = [];
          for (const patterns of filters) join(...patterns);
          for (const each of steps) {
            if ("topics" in each) {
              topics.push(...each.topics);
              hub.publish(each.topics.map((name) => entryOf(++last, name, String(last))));
            } else {
              const client = clients[each.client % clients.length];
              if (each.isDeaf && client) client.isDeaf = true;
              else client?.hear();
            }
            await new Promise(setImmediate);
          }
          for (const client of clients) client.hear();
          await new Promise(setImmediate);
          await new Promise(setImmediate);
          for (const { stream, numbers } of clients) {
            const wanted = topics.flatMap((name, at) => (stream.filter.matches(name) ? [at + 1] : []));
            assert.deepEqual(numbers, wanted);
          }
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe("batches", () => {
  it("end with their bytes, and have the same blocks as one body, in chunks or plain", () => {
    const data = fc.string({ maxLength: 3000, unit: "grapheme" });
    fc.assert(
      fc.property(
        fc.array(data, { minLength: 1, maxLength: 60 }),
        fc.func(fc.boolean()),
        (texts, isWanted) => {
          const entries = texts.map((text, at) => entryOf(at + 1, "public.x", JSON.stringify(text)));
          const batches = toBatches(entries);
          for (const batch of batches) {
            const bytes = batch.reduce((sum, { frame }) => sum + frame.end - frame.start, 0);
            assert.ok(bytes <= BATCH_BYTES || batch.length === 1);
          }
          const wanted = batches.flat().filter(({ id }) => isWanted(id));
          const parts = new Parts(wanted);
          const plain = Buffer.concat(parts.plain).toString();
          assert.equal(bodyOf(Buffer.concat(parts.chunked)), plain);
          const parser = new SpecParser();
          parser.push(plain);
          assert.deepEqual(
            parser.events.map((event) => event.data),
            entries.filter(({ id }) => isWanted(id)).map((entry) => entry.data),
          );
        },
      ),
    );
  });

  it("are one piece for whoever wants all of it", () => {
    const deliveries = toDeliveries(Array.from({ length: 50 }, (_, at) => entryOf(at + 1, "public.x", "1")));
    assert.equal(new Parts(deliveries).chunked.length, 1);
    assert.equal(new Parts(deliveries.slice(10, 20)).chunked.length, 1);
    assert.equal(new Parts([...deliveries.slice(0, 5), ...deliveries.slice(6, 9)]).chunked.length, 2);
  });
});

/** Takes the chunks of a body apart (RFC 9112 7.1). */
function bodyOf(chunks: Buffer): string {
  const parts: Buffer[] = [];
  for (let at = 0; at < chunks.length;) {
    const end = chunks.indexOf("\r\n", at);
    const size = parseInt(chunks.toString("latin1", at, end), 16);
    parts.push(chunks.subarray(end + 2, end + 2 + size));
    assert.equal(chunks.toString("latin1", end + 2 + size, end + 4 + size), "\r\n");
    at = end + 4 + size;
  }
  return Buffer.concat(parts).toString();
}

describe("TopicIndex", () => {
  it("has the same selection for whoever wants the same, and forgets who left", () => {
    const index = new TopicIndex<string>();
    index.add(["public.*", "user.1.*"], "one");
    index.add(["public.*", "user.2.*"], "two");
    index.add(["public.*", "public.news"], "three");
    const found = index.select(["public.x", "public.news", "user.1.a"]);
    assert.deepEqual(found.get("two"), [0, 1]);
    assert.equal(found.get("two"), found.get("three"));
    assert.deepEqual(found.get("one"), [0, 1, 2]);
    index.remove(["public.*", "user.1.*"], "one");
    assert.equal(index.select(["user.1.a"]).size, 0);
  });
});

describe("Backlog", () => {
  it("drops those that have waited longest when clients hold too much of their own", async () => {
    const backlog = new Backlog(200 * KIBIBYTE, []);
    const waiting = Array.from({ length: 5 }, () => {
      const client = new Client(filterOf());
      client.isDeaf = true;
      client.stream.send(new Parts(toDeliveries([entryOf(1, "public.x", "1".repeat(30 * KIBIBYTE))])));
      return { client, taken: backlog.taken(client.stream) };
    });
    assert.deepEqual(
      waiting.map(({ client }) => client.stream.isOver),
      [true, true, false, false, false],
    );
    assert.ok(backlog.held > 0 && backlog.held <= 100 * KIBIBYTE);
    for (const { client } of waiting) client.hear();
    await Promise.all(waiting.map(({ taken }) => taken));
    assert.equal(backlog.held, 0);
  });
});
