/** What the diagnostics say of the backups, whatever the backup room answers. */
import { strict as assert } from "node:assert";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { backupsDiag, backupsDiagSchema } from "../../src/diag/backups.ts";

const state = {
  healthy: true,
  problems: [],
  newest: [{ kind: "base", id: "base-1", at: "2026-05-05T10:00:00+00:00", ageSeconds: 7200 }],
  walLagSeconds: 2,
  freeBytes: 1_000_000,
  at: "2026-05-05T12:00:00+00:00",
};

describe("the diagnostics of the backups", () => {
  let server: Server;
  let answer: { status: number; text: string };
  let url = "";
  before(async () => {
    server = createServer((_request, response) => {
      response.writeHead(answer.status, { "content-type": "application/json" }).end(answer.text);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/status`;
  });
  after(() => void server.close());

  it("are absent in a stack without a room", async () => {
    assert.deepEqual(await backupsDiag(undefined), { status: "absent" });
  });

  it("have the age of the newest verified ones, the lag of the log, and what is wrong", async () => {
    answer = { status: 200, text: JSON.stringify({ ...state, newer: "is passed over" }) };
    const { healthy: _, ...more } = state;
    assert.deepEqual(backupsDiagSchema.parse(await backupsDiag(url)), { status: "pass", ...more });
    const problems = ["the newest verified dump is 30 h old"];
    answer = { status: 200, text: JSON.stringify({ ...state, healthy: false, problems }) };
    const found = await backupsDiag(url);
    assert.deepEqual([found.status, found.problems], ["fail", problems]);
  });

  it("have no lag of a log where others run PostgreSQL", async () => {
    answer = { status: 200, text: JSON.stringify({ ...state, walLagSeconds: null }) };
    const found = backupsDiagSchema.parse(await backupsDiag(url));
    assert.deepEqual([found.status, found.walLagSeconds], ["pass", null]);
  });

  for (const [name, status, text] of [
    ["refuses", 503, "{}"],
    ["answers no JSON", 200, "<html>"],
    ["answers something else", 200, '{"healthy":"yes"}'],
    ["answers without end", 200, JSON.stringify({ ...state, more: "x".repeat(100_000) })],
  ] as const)
    it(`are unknown where the room ${name}`, async () => {
      answer = { status, text };
      assert.deepEqual(await backupsDiag(url), { status: "unknown" });
    });

  it("are unknown where nobody answers", async () => {
    assert.deepEqual(await backupsDiag("http://127.0.0.1:1/status"), { status: "unknown" });
  });
});
