/** The circuit breaker, and the monitor of AI providers. */
import { strict as assert } from "node:assert";
import { setTimeout as sleep } from "node:timers/promises";
import { Circuit } from "../../src/providers/circuit.ts";
import { ProviderMonitor } from "../../src/providers/monitor.ts";
import { models, silence, startProvider, type TestProvider } from "../support/provider.ts";
import { eventually, whileItHolds } from "../support/wait.ts";

describe("Circuit", () => {
  it("opens after three failures in a row, longer each time, and closes with a success", () => {
    let now = 0;
    const circuit = new Circuit(1000, () => now);
    circuit.failed();
    circuit.failed();
    circuit.succeeded();
    circuit.failed();
    circuit.failed();
    assert.deepEqual([circuit.state, circuit.mayTry()], ["closed", true]);
    circuit.failed();
    assert.deepEqual([circuit.state, circuit.mayTry()], ["open", false]);
    now = 1201;
    assert.deepEqual([circuit.state, circuit.mayTry()], ["half-open", true]);
    circuit.failed();
    now += 1201;
    assert.equal(circuit.state, "open");
    now += 1200;
    assert.equal(circuit.state, "half-open");
    circuit.succeeded();
    assert.equal(circuit.state, "closed");
  });

  it("never stays open for longer than 6 minutes", () => {
    let now = 0;
    const circuit = new Circuit(1000, () => now);
    for (let i = 0; i < 50; i++) circuit.failed();
    now = 360_001;
    assert.ok(circuit.mayTry());
  });
});

/** The part of its time that a circuit stays open for at least. */
const LEAST = 0.8;

describe("ProviderMonitor", function () {
  this.timeout(60_000);
  let provider: TestProvider;
  let monitor: ProviderMonitor;
  /** Short times; each test sets those that it is about, and an answer may take as long as a busy machine takes for it. */
  const quick = { deadlineMs: 20_000, freshMs: 400, openMs: 4000 };
  const watch = (apiKey?: string, more: Partial<typeof quick> = {}): ProviderMonitor =>
    (monitor = new ProviderMonitor([{ name: "one", baseUrl: provider.baseUrl, apiKey }], {
      ...quick,
      ...more,
    }));
  const state = async (waitMs = 20_000) => (await monitor.states(waitMs))[0];

  beforeEach(async () => {
    provider = await startProvider();
  });
  afterEach(async () => {
    monitor?.stop();
    await provider.close();
  });

  it("asks for the models with the key, once for all who ask at the same time and while it is fresh", async () => {
    watch("k-123", { freshMs: 60_000 });
    const answers = await Promise.all([state(), state(), state()]);
    assert.ok(answers.every((answer) => answer?.status === "pass"));
    assert.deepEqual(answers[0]?.models, ["small", "large"]);
    await state();
    assert.deepEqual(provider.requests, [{ url: "/v1/models", authorization: "Bearer k-123" }]);
    assert.doesNotMatch(JSON.stringify(answers), /k-123/);
    watch();
    await state();
    // An answer is fresh for up to 1.2 times as long as is said.
    await sleep(1.25 * quick.freshMs);
    await state();
    assert.equal(provider.requests.length, 3);
  });

  it("waits no longer than it is told for one that hangs, and says so later", async () => {
    provider.answer = silence;
    const times: number[] = [];
    for (let n = 0; n < 3; n++) {
      monitor?.stop();
      watch();
      const started = performance.now();
      assert.equal((await state(50))?.status, "unknown");
      times.push(performance.now() - started);
    }
    // The best of them: a busy machine adds to each.
    assert.ok(Math.min(...times) < 150, `${times.join(", ")} ms`);
    monitor?.stop();
    watch(undefined, { deadlineMs: 1000 });
    void state(50);
    await eventually("an end of the waiting", () => monitor.known[0]?.status !== "unknown");
    assert.deepEqual(
      [monitor.known[0]?.status, monitor.known[0]?.reason],
      ["fail", "does not answer in time"],
    );
  });

  it("leaves a provider alone that failed three times, then tries once, and goes on when it is back", async () => {
    await whileItHolds(LEAST * quick.openMs, async () => {
      monitor?.stop();
      provider.requests.length = 0;
      provider.answer = (_request, response) => void response.writeHead(500).end();
      watch();
      await eventually("three failures", async () => {
        await state();
        return provider.requests.length === 3;
      });
      assert.equal(monitor.known[0]?.circuit, "open");
      await sleep(500);
      assert.equal((await state())?.reason, "answers 500");
      assert.equal(provider.requests.length, 3);
    });
    provider.answer = models;
    await eventually("a trial", async () => (await state())?.status === "pass");
    assert.equal(monitor.known[0]?.circuit, "closed");
    assert.equal(provider.requests.length, 4);
  });

  it("does not take its key to where it is redirected, and believes no nonsense", async () => {
    const other = await startProvider();
    const cases: [TestProvider["answer"], RegExp][] = [
      [
        (_, response) => void response.writeHead(302, { location: `${other.baseUrl}/models` }).end(),
        /answers 302/,
      ],
      [(_, response) => void response.end("<html>"), /list of models/],
      [(_, response) => void response.end("null"), /list of models/],
      [(_, response) => void response.end(`{"data":[],"x":"${"x".repeat(1_100_000)}"}`), /too much/],
      [(_, response) => void response.destroy(), /cannot be reached/],
    ];
    try {
      for (const [answer, reason] of cases) {
        provider.answer = answer;
        watch("k-123");
        assert.match((await state())?.reason ?? "", reason);
      }
      assert.equal(other.requests.length, 0);
    } finally {
      await other.close();
    }
  });
});
