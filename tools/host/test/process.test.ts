/** Which processes run: a pid that was used again, and a zombie, are not taken for one that does. */
import { strict as assert } from "node:assert";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { isAlive, parseStartTime, startedAt, startTimeOf, thisProcess } from "../process.mjs";

describe("isAlive", () => {
  it("tells a process that runs from one that has ended and from numbers that are no pid", async () => {
    assert.equal(isAlive(process.pid), true);
    const child = spawn("true");
    await once(child, "exit");
    assert.equal(isAlive(child.pid ?? 0), false);
    for (const pid of [0, -1, 1.5, Number.NaN]) assert.equal(isAlive(pid), false, String(pid));
  });

  it("tells a process from a later one with the same pid", function () {
    const { pid, start } = thisProcess();
    if (start === undefined) return this.skip(); // the system does not say when a process started
    assert.equal(isAlive(pid, start), true);
    assert.equal(isAlive(pid, "1"), false);
  });

  it("does not count a zombie", async function () {
    if (process.platform !== "linux") return this.skip();
    // The shell becomes sleep, which never asks how its child ended. The child ends after that: the shell would ask.
    const parent = spawn("sh", ["-c", "sleep 2 & echo $!; exec sleep 120"]);
    const [text] = (await once(parent.stdout, "data")) as [Buffer];
    const pid = Number(text.toString());
    try {
      for (const end = Date.now() + 60_000; isAlive(pid) && Date.now() < end;) {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      process.kill(pid, 0); // It is still there, or this throws.
      assert.equal(isAlive(pid), false);
    } finally {
      parent.kill();
    }
  });
});

describe("when a process started", () => {
  it("is read behind a name with spaces and brackets, and not of a zombie", () => {
    const fields = Array.from({ length: 18 }, (_, index) => String(index)).join(" ");
    assert.equal(parseStartTime(`7 (a ) b) S ${fields} 98765 0`), "98765");
    assert.equal(parseStartTime(`7 (dockerd) Z ${fields} 98765 0`), undefined);
  });

  it("is known as a time, to about a second", function () {
    if (startTimeOf(process.pid) === undefined) return this.skip();
    const guess = Date.now() - process.uptime() * 1000;
    assert.ok(Math.abs((startedAt(process.pid)?.getTime() ?? 0) - guess) < 3000);
  });
});
