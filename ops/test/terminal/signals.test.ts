/** What Ctrl-C and SIGTERM do. */
import { strict as assert } from "node:assert";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { InterruptedError } from "../../terminal/errors.ts";
import { SignalHandler } from "../../terminal/signals.ts";

function setUp() {
  let now = 1000;
  const said: string[] = [];
  const exits: number[] = [];
  const signals = new SignalHandler({
    say: (line) => void said.push(line),
    exit: (error) => void exits.push(error.exitCode),
    now: () => now,
  });
  return { signals, said, exits, later: (milliseconds: number) => void (now += milliseconds) };
}

describe("signals", () => {
  it("leave work that cannot be cancelled at once", () => {
    const { signals, exits } = setUp();
    signals.begin({ title: "looking" });
    signals.handle("SIGINT");
    assert.deepEqual(exits, [130]);
  });

  it("cancel once, however often one press arrives", () => {
    const { signals, exits, later } = setUp();
    let cancelled = 0;
    signals.begin({ title: "deploying", cancel: () => (cancelled += 1) });
    signals.handle("SIGINT");
    later(5);
    signals.handle("SIGINT");
    later(300);
    signals.handle("SIGTERM");
    assert.equal(cancelled, 1);
    assert.deepEqual(exits, []);
  });

  it("force the end on a second press", () => {
    const { signals, exits, later } = setUp();
    const order: string[] = [];
    signals.begin({
      title: "deploying",
      cancel: () => order.push("cancel"),
      force: () => order.push("force"),
    });
    signals.handle("SIGINT");
    later(1500);
    signals.handle("SIGINT");
    assert.deepEqual(order, ["cancel", "force"]);
    assert.deepEqual(exits, [130]);
  });

  it("let the way back begin once what they asked for is done, and cancel that with another press", () => {
    const { signals, exits, later } = setUp();
    signals.begin({ title: "deploying", cancel: () => undefined });
    signals.handle("SIGINT");
    signals.acknowledge();
    assert.ok(!signals.requested);
    let cancelled = 0;
    signals.begin({ title: "putting back", cancel: () => (cancelled += 1) });
    // The same press, once more.
    signals.handle("SIGTERM");
    assert.equal(cancelled, 0);
    later(1500);
    signals.handle("SIGINT");
    assert.deepEqual([cancelled, exits], [1, []]);
  });

  it("end a process that is done, and waits for its reader alone, as it would end by itself", () => {
    const { signals, said, exits, later } = setUp();
    signals.begin({ title: "deploying", cancel: () => assert.fail("there is nothing left to cancel") });
    let ended = 0;
    signals.over(() => (ended += 1));
    signals.handle("SIGINT");
    // The same press, once more.
    signals.handle("SIGINT");
    assert.deepEqual([ended, exits, said], [1, [], []]);
    later(1500);
    signals.handle("SIGTERM");
    assert.equal(ended, 2);
  });

  it("let nothing new begin", () => {
    const { signals } = setUp();
    signals.begin({ title: "deploying", cancel: () => undefined });
    signals.handle("SIGTERM");
    assert.throws(() => signals.begin({ title: "next" }), InterruptedError);
  });

  it("do what was added for the end of the process, newest first and once", () => {
    const { signals } = setUp();
    const order: number[] = [];
    signals.onLeave(() => order.push(1));
    signals.onLeave(() => order.push(2));
    signals.leave();
    signals.leave();
    assert.deepEqual(order, [2, 1]);
  });

  it("do it also where cancelled work ends the process by itself", () => {
    const module = join(import.meta.dirname, "../../terminal/signals.ts");
    const program = `import { SignalHandler } from ${JSON.stringify(module)};
      const signals = new SignalHandler({ say: () => undefined, exit: () => undefined });
      signals.listen();
      signals.onLeave(() => console.log("tidied up"));
      signals.begin({ title: "following", cancel: () => process.exit(0) });
      signals.handle("SIGINT");`;
    const { stdout } = spawnSync(process.execPath, ["--input-type=module", "--eval", program], {
      encoding: "utf8",
    });
    assert.equal(stdout.trim(), "tidied up");
  });
});
