import assert from "node:assert/strict";
import { createLogger, knownFields } from "../../src/platform/logging.ts";

function linesOf(log: (logger: ReturnType<typeof createLogger>) => void): Record<string, unknown>[] {
  const lines: string[] = [];
  log(
    createLogger(
      { level: "info", replica: "r", build: "b" },
      { write: (line: string) => void lines.push(line) },
    ),
  );
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe("createLogger", () => {
  it("redacts secrets at the top, one level down and among headers", () => {
    const [line] = linesOf((logger) =>
      logger.info({ token: "a", user: { password: "b" }, request: { headers: { cookie: "c" } } }, "x"),
    );
    assert.deepEqual(
      [line?.token, line?.user, line?.request],
      ["[redacted]", { password: "[redacted]" }, { headers: { cookie: "[redacted]" } }],
    );
  });

  it("writes lines of known fields as it does others, and still searches those", () => {
    const [known, other, secret] = linesOf((logger) => {
      knownFields(logger).info({ path: "/x" }, "request");
      logger.info({ path: "/x" }, "request");
      logger.info({ token: "a" }, "x");
    });
    assert.deepEqual({ ...known, time: "" }, { ...other, time: "" });
    assert.equal(secret?.token, "[redacted]");
  });

  it("makes one logger for known fields", () => {
    linesOf((logger) => assert.equal(knownFields(logger), knownFields(logger)));
  });
});
