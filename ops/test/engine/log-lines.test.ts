/** What a failed deploy shows of a container's log. */
import { strict as assert } from "node:assert";
import { tellingLines } from "../../engine/log-lines.ts";

const line = (level: string, msg: string, more: object = {}): string =>
  JSON.stringify({
    level,
    time: "2026-11-26T09:12:54Z",
    replica: "5aa272cc7078",
    build: "861b",
    ...more,
    msg,
  });

describe("the log of a container that failed", () => {
  const routine = Array.from({ length: 30 }, (_, at) => line("info", "request", { path: `/${at}` }));

  it("begins with its errors and warnings, however much routine came after them", () => {
    const failed = line("error", "cannot start", {
      err: { type: "Error", message: "no such host", code: "ENOTFOUND" },
    });
    const changed = line("warn", "check changed", { check: "redis", status: "fail" });
    const log = [routine[0], failed, ...routine, changed, changed, ...routine].join("\n");
    assert.deepEqual(tellingLines(log, { bad: 10, last: 2 }), {
      bad: [
        "error cannot start err=no such host (ENOTFOUND)",
        "warn check changed check=redis status=fail  (2 times)",
      ],
      last: ["info request path=/28", "info request path=/29"],
    });
  });

  it("understands PostgreSQL, Redis, nginx, cloudflared and a crash of Node", () => {
    const bad = [
      "2026-11-26 09:12:54.001 UTC [1] FATAL:  could not write lock file: No space left on device",
      "1:M 26 Nov 2026 09:12:54.001 # Can't handle RDB format version 12",
      "2026/11/26 09:12:54 [emerg] 1#1: host not found in upstream",
      "2026-11-26T09:12:54Z ERR failed to connect to the edge",
      "TypeError: Cannot read properties of undefined\n    at start (file:///app/main.js:1:1)",
      line("fatal", "given up").replace('"fatal"', "60"),
      JSON.stringify({ time: "t", status: 502, path: "/api" }),
    ];
    const good = [
      "2026-11-26 09:12:54.001 UTC [1] LOG:  database system is ready to accept connections",
      "1:M 26 Nov 2026 09:12:54.001 * Ready to accept connections tcp",
      "2026/11/26 09:12:54 [notice] 1#1: start worker processes",
      "2026-11-26T09:12:54Z INF Registered tunnel connection",
      JSON.stringify({ time: "t", status: 404, path: "/error" }),
    ];
    const log = bad.map((one, at) => `${one}\n${good[at % good.length]}`).join("\n");
    const found = tellingLines(log, { bad: 20, last: 1 }).bad;
    assert.equal(found.length, bad.length, found.join("\n"));
    assert.ok(
      found.includes("TypeError: Cannot read properties of undefined\n  at start (file:///app/main.js:1:1)"),
    );
  });

  it("says once what came at several times", () => {
    const log = "2026/11/26 09:06:58 [error] 8#8: a failed\n2026/11/26 09:07:01 [error] 8#8: a failed";
    assert.deepEqual(tellingLines(log, { bad: 10, last: 1 }).bad, [
      "2026/11/26 09:07:01 [error] 8#8: a failed  (2 times)",
    ]);
  });

  it("is cut where a line, a stack trace or the list is long, and can do nothing to the terminal", () => {
    const trace = Array.from({ length: 50 }, (_, at) => `    at frame${at}`).join("\n");
    const log = `\u001b[31mError: ${"x".repeat(9000)}\u001b[0m\u0007\n${trace}\n${Array.from({ length: 50 }, (_, at) => line("warn", `w${at}`)).join("\n")}`;
    const { bad } = tellingLines(log, { bad: 51, last: 1 });
    assert.ok(
      bad
        .join("\n")
        .split("\n")
        .every((one) => one.length <= 242),
    );
    assert.equal(bad[0]?.split("\n").length, 5);
    // eslint-disable-next-line no-control-regex -- what must not be there
    assert.doesNotMatch(bad.join(""), /[\u0007\u001b]/);
    assert.deepEqual(tellingLines(log, { bad: 2, last: 1 }).bad, ["warn w48", "warn w49"]);
  });
});
