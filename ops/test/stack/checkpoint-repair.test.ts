/** Repairing the state after a kill. */
import { strict as assert } from "node:assert";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { repairCheckpoint } from "../../stack/checkpoint-repair.ts";

describe("a state that a kill cut off", () => {
  let folder: string;
  let file: string;
  let said: string[];
  const mend = (): void => repairCheckpoint(folder, "omniai", "dev", (line) => said.push(line));
  const write = (name: string, text: string): void => writeFileSync(`${file}${name}`, text);

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "omniai-mend-"));
    file = join(folder, ".pulumi/stacks/omniai/dev.json");
    mkdirSync(dirname(file), { recursive: true });
    said = [];
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it("is left alone when nothing is wrong, or nothing is there", () => {
    mend();
    write("", '{"version":3}');
    write(".attrs", "{}");
    mend();
    assert.deepEqual(said, []);
    assert.ok(existsSync(`${file}.attrs`));
  });

  it("loses a broken attributes file, and nothing else", () => {
    write("", '{"version":3}');
    write(".attrs", "");
    mend();
    assert.equal(said.length, 1);
    assert.ok(!existsSync(`${file}.attrs`));
    assert.equal(readFileSync(file, "utf8"), '{"version":3}');
  });

  it("goes back to its backup when the checkpoint itself is broken, and keeps what was there", () => {
    write("", '{"versi');
    write(".bak", '{"version":2}');
    mend();
    assert.equal(readFileSync(file, "utf8"), '{"version":2}');
    const kept = readdirSync(dirname(file)).find((name) => name.includes("broken")) ?? "";
    assert.equal(readFileSync(join(dirname(file), kept), "utf8"), '{"versi');
  });

  it("says where else to look when the backup is broken too", () => {
    write("", "");
    write(".bak", "");
    assert.throws(mend, /cannot be read/);
    assert.equal(readFileSync(file, "utf8"), "", "nothing was touched");
  });
});
