/** When the credentials of open streams are looked at. */
import { strict as assert } from "node:assert";
import { OwnedStreams } from "../../src/auth/owned-streams.ts";
import type { KnownPrincipal } from "../../src/auth/principal.ts";
import { eventually } from "../support/wait.ts";

function principal(id: string): KnownPrincipal {
  return {
    ...{ userId: "ada", name: "ada", scopes: [], expiresAt: Date.now() + 60_000 },
    credential: { kind: "session", id },
  };
}

/** Streams of one user, whose credentials are looked at one question at a time. */
function open(ids: readonly string[]) {
  const ended = new Set<string>();
  const revoked: string[] = [];
  const asked: { id: string; answer: () => void }[] = [];
  const isGood = (_user: string, { id }: { id: string }): Promise<boolean> =>
    // What it was when it was asked, as a store answers.
    new Promise((resolve) => {
      const was = !ended.has(id);
      asked.push({ id, answer: () => resolve(was) });
    });
  const streams = new OwnedStreams(isGood, 600_000, () => undefined);
  for (const id of ids)
    streams.add({ revoke: () => void revoked.push(id), onClose: () => undefined }, principal(id));
  const answerAll = (): void => asked.splice(0).forEach(({ answer }) => answer());
  return { streams, ended, revoked, asked, answerAll };
}

describe("the streams of users", () => {
  it("are looked at once more when a gap came while they were", async () => {
    const { streams, ended, revoked, asked, answerAll } = open(["one", "two"]);
    answerAll();
    streams.onGap();
    assert.equal(asked.length, 2);
    // Revoked after it was asked for, and announced while the replica could not listen.
    ended.add("one");
    streams.onGap();
    streams.onGap();
    answerAll();
    await eventually("asked again", () => asked.length === 2);
    answerAll();
    await eventually("ended", () => revoked.length > 0);
    assert.deepEqual(revoked, ["one"]);
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(asked.length, 0, "once for both gaps");
  });
});
