/** The search in the logs of all containers: what is asked, and how a line is read. */
import { strict as assert } from "node:assert";
import { parseLine, renderQuery } from "../../engine/log-store.ts";

const base = { since: 1_700_000_000, limit: 50 };

describe("a search in the logs", () => {
  it("asks for the newest lines since a moment", () => {
    assert.equal(
      renderQuery(base),
      "_time:>=2023-11-14T22:13:20.000Z | sort by (_time desc) limit 50 | fields _time, file, _msg",
    );
  });

  it("takes a text to the letter, an id as a word, and a workload by its links", () => {
    const query = renderQuery({ ...base, grep: 'a.b "c" [d]', request: "r-1", workload: "backend" });
    assert.ok(query.includes('_msg:~"a\\\\.b \\"c\\" \\\\[d\\\\]"'), query);
    assert.ok(query.includes('_msg:"r-1"'), query);
    assert.ok(query.includes('{file=~".*/backend\\\\..*"}'), query);
  });

  it("takes a level and all above it, also of programs that write no JSON", () => {
    const query = renderQuery({ ...base, level: "error" });
    assert.match(query, /level:in\("error","fatal"\)/);
    assert.match(query, /level:"" and _msg:~"\\\\b\(ERROR\|error\|FATAL/);
    assert.match(renderQuery({ ...base, level: "warn" }), /level:in\("warn","error","fatal"\)/);
  });

  it("reads from a line which container wrote it, and nothing from another text", () => {
    const line = JSON.stringify({
      _time: "2026-01-01T00:00:00Z",
      file: "/targets/links/backend.2.omniai-dev-backend-2-0a1b2c3.log",
      _msg: '{"level":"info"}\n',
    });
    assert.deepEqual(parseLine(line), {
      time: "2026-01-01T00:00:00Z",
      workload: "backend",
      replica: 2,
      container: "omniai-dev-backend-2-0a1b2c3",
      text: '{"level":"info"}',
    });
    assert.equal(parseLine("wget: server returned error"), undefined);
  });
});
