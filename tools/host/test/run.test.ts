/** Programs are run to their end, and never longer than they may. */
import { strict as assert } from "node:assert";
import { Readable } from "node:stream";
import { run } from "../run.ts";

describe("run", () => {
  it("collects what a program prints, and passes each line on without colours", async () => {
    const lines: string[] = [];
    const script = "printf 'one\\ntw'; printf '\\033[31mo\\033[0m\\rthree\\n'; echo four >&2; exit 3";
    const result = await run("sh", ["-c", script], { onLine: (line) => void lines.push(line) });
    assert.equal(result.code, 3);
    assert.equal(result.stdout.split("\n").length, 3);
    assert.deepEqual(lines.toSorted(), ["four", "one", "three", "two"]);
    assert.deepEqual([...result.tail].toSorted(), lines.toSorted());
  });

  it("gives it its input, its folder and its environment", async () => {
    const options = { cwd: "/", env: { PATH: process.env["PATH"], NAME: "value" } };
    for (const input of ["text", Readable.from(["text"])]) {
      const { stdout } = await run("sh", ["-c", 'cat; echo " $NAME $PWD"'], { ...options, input });
      assert.equal(stdout, "text value /\n");
    }
  });

  it("says that a program could not be started", async () => {
    const result = await run("/no/such/program", []);
    assert.equal(result.code, undefined);
    assert.match(result.notStarted ?? "", /ENOENT/);
  });

  it("says by which signal it was ended, and keeps it out of the way of a Ctrl-C where it is asked to", async () => {
    assert.equal((await run("sh", ["-c", "kill -9 $$"])).endedBy, "SIGKILL");
    const groupOf = async (ownGroup: boolean): Promise<boolean> => {
      const { stdout } = await run("sh", ["-c", "echo $$ $(ps -o pgid= -p $$)"], { ownGroup });
      const [pid, group] = stdout.trim().split(/\s+/);
      return pid === group;
    };
    assert.deepEqual([await groupOf(false), await groupOf(true)], [false, true]);
  });

  it("does not wait for the children of a program whose time is over", async () => {
    const started = performance.now();
    const result = await run("sh", ["-c", "echo before; sleep 60 & wait"], { timeoutMs: 3000 });
    const seconds = (performance.now() - started) / 1000;
    assert.deepEqual([result.timedOut, result.code, result.stdout], [true, undefined, "before\n"]);
    assert.ok(seconds < 40, `it took ${seconds.toFixed(1)} s`);
  });
});
