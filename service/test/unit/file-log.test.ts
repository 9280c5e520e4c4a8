/** The file that the event log of `npm run dev` is kept in. */
import { strict as assert } from "node:assert";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FileEventLog } from "../../dev/file-log.ts";
import { LogUnavailableError, type LogState } from "../../src/events/log/log.ts";
import { createLogger } from "../../src/platform/logging.ts";

const logger = createLogger({ level: "silent", replica: "", build: "" });
const event = { topic: "public.x", type: "t", data: '"ü\\n"' };

describe("the file of the event log of npm run dev", () => {
  let folder: string;
  let path: string;
  const logs: FileEventLog[] = [];
  const open = async (retention = 10): Promise<FileEventLog> => {
    const bounds = { maxPendingAppends: 100, appendBytes: 1_000_000 };
    const limits = { retention, logBytes: 10_000_000, appendDeadlineMs: 1000, ...bounds };
    const log = await FileEventLog.load(path, limits, logger);
    logs.push(log);
    return log;
  };
  const stateAfter = async (change: (text: string) => void): Promise<{ old: LogState; now: LogState }> => {
    const log = await open();
    for (let n = 0; n < 3; n++) await log.append(event);
    const old = await log.state();
    log.close();
    change(readFileSync(path, "utf8"));
    return { old, now: await (await open()).state() };
  };

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "omniai-file-log-"));
    path = join(folder, "events.jsonl");
  });
  afterEach(() => {
    for (const log of logs.splice(0)) log.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it("cuts off half a line, which was promised to nobody, and goes on after the whole ones", async () => {
    const { old, now } = await stateAfter(() => appendFileSync(path, '{"n":4,"id":"99'));
    assert.deepEqual(now, old);
    const { id } = (await logs.at(-1)?.append(event)) ?? {};
    assert.ok(id);
    assert.equal(readFileSync(path, "utf8").split("\n").length, 6);
    assert.equal((await (await open()).state()).last, id);
  });

  it("begins a new epoch when a line is missing or wrong", async () => {
    const damages: ((lines: string[]) => string[])[] = [
      (lines) => lines.filter((_, index) => index !== 2),
      (lines) => lines.map((line, index) => (index === 2 ? line.slice(3) : line)),
      (lines) => lines.slice(1),
      () => ["nonsense", ""],
    ];
    for (const damage of damages) {
      const { old, now } = await stateAfter((text) =>
        writeFileSync(path, damage(text.split("\n")).join("\n")),
      );
      assert.notEqual(now.epoch, old.epoch);
      assert.equal(now.count, 0);
    }
  });

  it("stays small, and keeps counting", async () => {
    const log = await open();
    for (let n = 0; n < 95; n++) await log.append(event, `key-${n}`);
    const lines = readFileSync(path, "utf8").trimEnd().split("\n").length;
    assert.ok(lines <= 22, `${lines} lines`);
    const state = await log.state();
    assert.equal(state.count, 95);
    assert.equal(state.length, 10);
    log.close();
    const next = await open();
    assert.deepEqual(await next.state(), state);
    // A key is known as long as its event is kept.
    await next.append(event, "key-90");
    assert.equal((await next.state()).count, 95);
    await next.append(event, "key-0");
    assert.equal((await next.state()).count, 96);
  });

  it("promises nothing once it is closed", async () => {
    const log = await open();
    log.close();
    await assert.rejects(log.append(event), LogUnavailableError);
  });
});
