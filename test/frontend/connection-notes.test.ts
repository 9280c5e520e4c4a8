/** What the timeline of the diagnostics page gets of an outage. It needs no browser. */
import { strict as assert } from "node:assert";
import { ConnectionNotes } from "../../frontend/js/diag/connection-notes.js";

describe("the notes of a connection", () => {
  type Change = Parameters<ConnectionNotes["take"]>[0];
  const bad = (text: string, isLoss: boolean): object => ({ kind: "bad", text, isLoss });
  const good = (text: string): object => ({ kind: "good", text, isLoss: false });

  /** @returns the notes of the changes, one a second, without those that are no news. */
  const of = (changes: readonly Omit<Change, "isLeading">[], streams = true): object[] => {
    const notes = new ConnectionNotes(streams);
    return changes.flatMap(
      (change, second) => notes.take({ ...change, isLeading: true }, second * 1000) ?? [],
    );
  };

  it("are one when it is lost and one when it is back, however many attempts were in vain", () => {
    const attempts = [1, 2, 3].flatMap((failures) => [
      { state: "connecting" as const, failures },
      { state: "connecting" as const, failures, reason: `refused ${failures} times`, retryMs: 100 },
    ]);
    assert.deepEqual(of([{ state: "connecting" }, { state: "live" }, ...attempts, { state: "live" }]), [
      good("Connected: events stream."),
      bad("Connection lost: it ended.", true),
      good("Connected: events stream, after 6 s."),
    ]);
  });

  it("say once that nothing answers any more, though each attempt counts as connecting again", () => {
    const attempts = [6, 7, 8].flatMap((failures) => [
      { state: "offline" as const, failures, reason: "Failed to fetch" },
      { state: "connecting" as const, failures },
    ]);
    assert.deepEqual(of([{ state: "connecting", failures: 1, reason: "bye" }, ...attempts]), [
      bad("Connection lost: bye.", true),
      bad("No connection: Failed to fetch. It goes on trying.", false),
    ]);
  });

  it("have nothing against polling where nothing else is meant", () => {
    assert.deepEqual(of([{ state: "connecting" }, { state: "degraded" }], false), [
      good("Connected: it polls."),
    ]);
  });

  it("tell one way of events from the other, and are none where nothing changes", () => {
    const polls = "Connected: streams do not get through, it polls.";
    assert.deepEqual(
      of([
        { state: "connecting" },
        { state: "live" },
        { state: "live" },
        { state: "connecting" },
        { state: "live" },
        { state: "degraded" },
      ]),
      [
        good("Connected: events stream."),
        good("Connected: events stream again."),
        { kind: "warn", text: polls, isLoss: false },
      ],
    );
  });
});
