/** The files of migrations: names, checksums, and rules for those that are shipped. */
import { strict as assert } from "node:assert";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadMigrations, pendingOf } from "../../src/migrate/files.ts";

describe("migrations", () => {
  const folders: string[] = [];
  const folderWith = (files: Record<string, string>): string => {
    const folder = mkdtempSync(join(tmpdir(), "omniai-migrations-"));
    folders.push(folder);
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    return folder;
  };
  after(() => {
    for (const folder of folders) rmSync(folder, { recursive: true });
  });

  it("are numbered from 1 without a gap, and well named", () => {
    const good = { "0001_one.sql": "SELECT 1", "0002_two.sql": "SELECT 2", "README.md": "not one" };
    assert.deepEqual(
      loadMigrations(folderWith(good)).map(({ version, name }) => [version, name]),
      [
        [1, "one"],
        [2, "two"],
      ],
    );
    assert.throws(() => loadMigrations(folderWith({ "0002_two.sql": "" })), /the next number is 0001/);
    assert.throws(
      () => loadMigrations(folderWith({ "0001_a.sql": "", "0001_b.sql": "" })),
      /the next number is 0002/,
    );
    assert.throws(() => loadMigrations(folderWith({ "1-one.sql": "" })), /NNNN_name\.sql/);
  });

  it("have the same checksum with other line ends, and another one with another text", () => {
    const checksum = (text: string): string =>
      loadMigrations(folderWith({ "0001_a.sql": text }))[0]?.checksum ?? "";
    assert.equal(checksum("SELECT 1;\nSELECT 2;\n"), checksum("SELECT 1;\r\nSELECT 2;\r\n"));
    assert.notEqual(checksum("SELECT 1"), checksum("SELECT 2"));
  });

  it("are pending when they are not applied; newer ones of a newer build are no concern", () => {
    const known = loadMigrations(folderWith({ "0001_a.sql": "A", "0002_b.sql": "B" }));
    const [one, two] = known.map(({ version, checksum }) => ({ version, checksum }));
    assert.ok(one && two);
    assert.deepEqual(
      pendingOf(known, []).map(({ version }) => version),
      [1, 2],
    );
    assert.deepEqual(pendingOf(known, [one, two, { version: 3, checksum: "new" }]), []);
    assert.throws(() => pendingOf(known, [one, { ...two, checksum: "x" }]), /0002_b was changed/);
    assert.throws(() => pendingOf(known, [two]), /0001_a is missing before 0002_b/);
    assert.throws(() => pendingOf(known, [one, { version: 3, checksum: "new" }]), /0002_b is missing/);
  });

  /** What README.md of the migrations forbids, or demands a first line for. */
  function objectionsTo(sql: string): string[] {
    const text = sql.replace(/--.*$/gm, "");
    const takesAway =
      /\bdrop\b|\brename\b|\bset\s+not\s+null\b|\balter\s+column\s+\S+\s+(set\s+data\s+)?type\b/i;
    return [
      ...(/^\s*(begin|commit|rollback|start\s+transaction|abort)\b\s*;/im.test(text) ? ["transaction"] : []),
      ...(/\bconcurrently\b/i.test(text) ? ["concurrently"] : []),
      ...(takesAway.test(text) && !sql.startsWith("-- contract: ") ? ["contract"] : []),
    ];
  }

  it("that are shipped do not end their transaction, and say so when they take something away", () => {
    const shipped = loadMigrations();
    assert.ok(shipped.length > 0);
    for (const { name, sql } of shipped) assert.deepEqual(objectionsTo(sql), [], name);
  });

  it("would not be shipped otherwise", () => {
    for (const [sql, objection] of [
      ["CREATE TABLE a (id int);\nCOMMIT;", "transaction"],
      ["begin;", "transaction"],
      ["CREATE INDEX CONCURRENTLY a_id ON a (id);", "concurrently"],
      ["ALTER TABLE a DROP COLUMN b;", "contract"],
      ["ALTER TABLE a RENAME TO b;", "contract"],
      ["ALTER TABLE a ALTER COLUMN b SET NOT NULL;", "contract"],
      ["ALTER TABLE a ALTER COLUMN b TYPE bigint;", "contract"],
    ] as const)
      assert.deepEqual(objectionsTo(sql), [objection], sql);
    assert.deepEqual(objectionsTo("-- contract: unused since build 12\nDROP TABLE a;"), []);
    assert.deepEqual(objectionsTo("CREATE TABLE a (id int NOT NULL); -- DROP is only a word here"), []);
  });
});
