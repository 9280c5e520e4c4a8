/** The changes of a stack as its engine keeps them. */
import { strict as assert } from "node:assert";
import fc from "fast-check";
import type { Change } from "../../stack/audit.ts";
import { mergeChanges, parseChanges, worthKeeping } from "../../stack/changes.ts";
import { goodVersions, KEPT_VERSIONS, lastGood, rolledBackTo } from "../../stack/versions.ts";
import { change } from "../support/changes.ts";

const at = (minute: number, made: Change, who = made.who): Change => ({
  ...made,
  who,
  time: new Date(Date.UTC(2026, 0, 1, 0, minute)).toISOString(),
});
const history = fc
  .array(
    fc.tuple(
      fc.constantFrom("up", "rollback", "restart", "down"),
      fc.constantFrom(..."abcdefghijkl"),
      fc.constantFrom("succeeded" as const, "failed" as const),
    ),
    { maxLength: 150 },
  )
  .map((list) => list.map((entry, minute) => at(minute, change(...entry))));

describe("the changes of a stack", () => {
  it("are those of every machine, each once, in the order of time", () => {
    const [runner, laptop] = [at(1, change("up", "a"), "runner@ci"), at(2, change("up", "b"), "me@laptop")];
    assert.deepEqual(mergeChanges([laptop, runner], [runner]), [runner, laptop]);
    const { version: _, ...bare } = runner;
    assert.deepEqual(mergeChanges([bare], [runner]), [runner], "with what one of the lists knows more");
    assert.deepEqual(mergeChanges([runner], [bare]), [runner]);
  });

  it("say the same about versions after the engine has kept what is worth it, again and again", () => {
    fc.assert(
      fc.property(history, (changes) => {
        const kept = worthKeeping(changes);
        const builds = (list: readonly Change[]): string[] =>
          goodVersions(list)
            .slice(0, KEPT_VERSIONS)
            .map(({ build }) => build);
        assert.deepEqual(builds(kept), builds(changes));
        assert.equal(lastGood(kept)?.build, lastGood(changes)?.build);
        assert.equal(rolledBackTo(kept)?.build, rolledBackTo(changes)?.build);
        assert.deepEqual(worthKeeping(kept), kept);
        assert.ok(kept.length <= 100 + KEPT_VERSIONS);
        assert.ok(kept.filter(({ version }) => version !== undefined).length <= KEPT_VERSIONS);
      }),
    );
  });

  it("are read from a label that this version may not know", () => {
    const one = at(1, change("up", "a"));
    assert.deepEqual(parseChanges(JSON.stringify([one, { time: 3 }, null, "x"])), [one]);
    for (const text of ["", "{}", "nothing"]) assert.deepEqual(parseChanges(text), []);
  });
});
