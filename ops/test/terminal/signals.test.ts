import assert from "node:assert/strict";
import { InterruptedError } from "../../terminal/errors.ts";
import { Interrupts } from "../../terminal/signals.ts";

function setUp() {
  let now = 1000;
  const said: string[] = [];
  const exits: number[] = [];
  const interrupts = new Interrupts({
    say: (line) => void said.push(line),
    exit: (error) => void exits.push(error.exitCode),
    now: () => now,
  });
  return { interrupts, said, exits, later: (milliseconds: number) => void (now += milliseconds) };
}

describe("interrupts", () => {
  it("leaves work that cannot be cancelled at once", () => {
    const { interrupts, exits } = setUp();
    interrupts.begin({ title: "looking" });
    interrupts.handle("SIGINT");
    assert.deepEqual(exits, [130]);
  });

  it("cancels once, however often one press arrives", () => {
    const { interrupts, exits, later } = setUp();
    let cancelled = 0;
    interrupts.begin({ title: "deploying", cancel: () => (cancelled += 1) });
    interrupts.handle("SIGINT");
    later(5);
    interrupts.handle("SIGINT");
    later(300);
    interrupts.handle("SIGTERM");
    assert.equal(cancelled, 1);
    assert.deepEqual(exits, []);
  });

  it("forces the end on a second press", () => {
    const { interrupts, exits, later } = setUp();
    const order: string[] = [];
    interrupts.begin({
      title: "deploying",
      cancel: () => order.push("cancel"),
      force: () => order.push("force"),
    });
    interrupts.handle("SIGINT");
    later(1500);
    interrupts.handle("SIGINT");
    assert.deepEqual(order, ["cancel", "force"]);
    assert.deepEqual(exits, [130]);
  });

  it("does not begin anything new after that", () => {
    const { interrupts } = setUp();
    interrupts.begin({ title: "deploying", cancel: () => undefined });
    interrupts.handle("SIGTERM");
    assert.throws(() => interrupts.begin({ title: "next" }), InterruptedError);
  });

  it("gives back what it holds, newest first and once", () => {
    const { interrupts } = setUp();
    const order: number[] = [];
    interrupts.onLeave(() => order.push(1));
    interrupts.onLeave(() => order.push(2));
    interrupts.leave();
    interrupts.leave();
    assert.deepEqual(order, [2, 1]);
  });
});
