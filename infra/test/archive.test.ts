/** Archives: owners, modes, and the same bytes for the same files. */
import { strict as assert } from "node:assert";
import fc from "fast-check";
import { contentHash, packFiles } from "../resources/archive.ts";
import { unpack } from "./support/archive.ts";

const owner = { uid: 101, gid: 102 };

describe("packFiles", () => {
  it("gives files to their owner alone unless a file says otherwise, and makes parent folders", async () => {
    const entries = await unpack(
      await packFiles(
        { "tls/key.pem": { content: "k" }, "nginx.conf": { content: "c", mode: 0o444 } },
        owner,
      ),
    );
    assert.deepEqual(
      entries.map(({ name, type, mode }) => [name.replace(/\/$/, ""), type, mode.toString(8)]),
      [
        [".", "directory", "755"],
        ["nginx.conf", "file", "444"],
        ["tls", "directory", "755"],
        ["tls/key.pem", "file", "400"],
      ],
    );
    assert.ok(entries.every(({ uid, gid }) => uid === 101 && gid === 102));
  });

  it("gives the same bytes for the same files, in whatever order they are named", async () => {
    const one = await packFiles({ a: { content: "1" }, b: { content: "2" } }, owner);
    await new Promise((resolve) => setTimeout(resolve, 1100));
    const other = await packFiles({ b: { content: "2" }, a: { content: "1" } }, owner);
    assert.equal(one, other);
    assert.notEqual(one, await packFiles({ a: { content: "1" }, b: { content: "3" } }, owner));
  });

  it("keeps any text as it is", async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: "binary", maxLength: 2000 }), async (content) => {
        const entries = await unpack(await packFiles({ file: { content } }, owner));
        assert.equal(entries.find(({ name }) => name === "file")?.content, Buffer.from(content).toString());
      }),
      { numRuns: 50 },
    );
  });
});

describe("contentHash", () => {
  it("is 12 hex digits that change with the content", () => {
    assert.match(contentHash("a"), /^[0-9a-f]{12}$/);
    assert.notEqual(contentHash("a"), contentHash("b"));
  });
});
