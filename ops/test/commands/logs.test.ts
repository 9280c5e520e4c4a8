/** What `npm run logs` makes of options, streams and events. */
import { strict as assert } from "node:assert";
import { eachLine, parseStart, sinceSeconds } from "../../commands/logs.ts";
import { OpsError } from "../../terminal/errors.ts";

describe("npm run logs", () => {
  it("hands logs on line by line, also the last line", async () => {
    const lines: string[] = [];
    const stream = eachLine((line) => lines.push(line));
    for (const piece of ["a", "b\nc\r\n", "d"]) stream.write(piece);
    stream.end();
    await new Promise((resolve) => stream.on("end", resolve));
    assert.deepEqual(lines, ["ab", "c", "d"]);
  });

  it("takes a span or a date as --since", () => {
    const now = new Date("2026-11-23T10:00:00Z");
    assert.equal(sinceSeconds("10m", now), now.getTime() / 1000 - 600);
    assert.equal(sinceSeconds("2026-11-23T09:00:00Z", now), now.getTime() / 1000 - 3600);
    assert.throws(() => sinceSeconds("soon", now), OpsError);
  });

  it("recognises a container that starts later by its labels", () => {
    const event = {
      time: 5,
      Actor: { ID: "x", Attributes: { "io.omniai.workload": "edge", "io.omniai.replica": "1" } },
    };
    assert.deepEqual(parseStart(JSON.stringify(event)), { id: "x", workload: "edge", replica: 1, time: 5 });
    assert.equal(parseStart("{"), undefined);
  });
});
