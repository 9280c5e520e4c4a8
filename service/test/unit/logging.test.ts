/** What is in a line of the log, and what is not. */
import { strict as assert } from "node:assert";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import express from "express";
import { createLogger, knownFields, requestLog } from "../../src/platform/logging.ts";
import { requestId } from "../../src/platform/request-id.ts";
import { trace } from "../../src/platform/trace.ts";

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
  it("redacts every kind of secret at the top, one level down and among headers", () => {
    for (const name of [
      "authorization",
      "cookie",
      "set-cookie",
      "password",
      "secret",
      "token",
      "accessToken",
      "refreshToken",
      "csrfToken",
      "x-csrf-token",
      "last_event_id",
    ]) {
      const secret = { [name]: "canary" };
      const [line] = linesOf((logger) =>
        logger.info({ ...secret, user: secret, request: { headers: secret } }, "x"),
      );
      const redacted = { [name]: "[redacted]" };
      assert.deepEqual(
        [line?.[name], line?.user, line?.request],
        ["[redacted]", redacted, { headers: redacted }],
        name,
      );
    }
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

describe("the request log", () => {
  /** What is written of a request for `path`, whose client left before the answer unless it was `answered`. */
  async function lineOf(
    path: string,
    isAnswered: boolean,
    headers: Record<string, string> = {},
  ): Promise<Record<string, unknown>> {
    const lines: Record<string, unknown>[] = [];
    const write = (line: string): void => void lines.push(JSON.parse(line) as Record<string, unknown>);
    const logger = createLogger({ level: "debug", replica: "r", build: "b" }, { write });
    const app = express().use(requestId, trace, requestLog(logger), (_request, response) => {
      if (isAnswered) response.end();
      else response.destroy();
    });
    const server = app.listen(0, "127.0.0.1");
    await once(server, "listening");
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`;
    await fetch(url, { headers: { connection: "close", ...headers } }).then(
      (response) => response.text(),
      () => undefined,
    );
    await new Promise((resolve) => server.close(resolve));
    assert.equal(lines.length, 1, path);
    return lines[0] ?? {};
  }

  it("has the probes at debug, and nothing else that looks like them", async () => {
    for (const path of ["/healthz", "/readyz?x=1", "/startupz"])
      assert.equal((await lineOf(path, true)).level, "debug", path);
    for (const path of ["/api/quiz", "/api/healthz", "/z"])
      assert.equal((await lineOf(path, true)).level, "info", path);
  });

  it("has a line for a request whose client left before the answer", async () => {
    const { aborted, status, path } = await lineOf("/api/diag", false);
    assert.deepEqual([aborted, status, path], [true, undefined, "/api/diag"]);
    const answered = await lineOf("/api/diag", true);
    assert.deepEqual([answered.aborted, answered.status], [undefined, 200]);
  });

  it("has the trace that the request belongs to, or one of its own", async () => {
    const id = "4bf92f3577b34da6a3ce929d0e0e4736";
    assert.equal((await lineOf("/x", true, { traceparent: `00-${id}-00f067aa0ba902b7-01` })).trace_id, id);
    assert.match(String((await lineOf("/x", true, { traceparent: "nonsense" })).trace_id), /^[0-9a-f]{32}$/);
  });
});
