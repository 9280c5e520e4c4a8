/** How a task of the edge on a swarm begins, above all while others are in maintenance. */
import { strict as assert } from "node:assert";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { MAINTENANCE_TYPE } from "../components/edge/maintenance.ts";
import { EDGE_SERVICE_SCRIPT } from "../components/edge/service.ts";

describe("a task of the edge on a swarm", () => {
  let folder: string;
  let shared: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "omniai-edge-"));
    shared = join(folder, "omniai/maintenance/maintenance.json");
    for (const name of ["bin", "omniai/maintenance"]) mkdirSync(join(folder, name), { recursive: true });
    command("nginx", 'echo "$@" > "$FOLDER/begun"');
    command("getent", 'case $2 in tasks.edge) cat "$FOLDER/peers" ;; *) echo "10.0.0.9 $2" ;; esac');
    command("curl", 'for url; do :; done; echo "$url" >> "$FOLDER/asked"; cat "$FOLDER/answer"');
    writeFileSync(join(folder, "peers"), "10.0.0.3       tasks.edge\n10.0.0.2       tasks.edge\n");
    writeFileSync(join(folder, "answer"), '{"type":"urn:omniai:problem:not-found"}');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const command = (name: string, script: string): void =>
    writeFileSync(join(folder, "bin", name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  const is = (name: string): boolean => existsSync(join(folder, name));
  const begin = (): { readonly ended: Promise<string> } => {
    const child = spawn("sh", ["-c", EDGE_SERVICE_SCRIPT.replaceAll("/etc/omniai", join(folder, "omniai"))], {
      env: {
        ...{ FOLDER: folder, RELEASE: "r", UPSTREAM: "tasks.backend", PEERS: "tasks.edge" },
        PATH: `${join(folder, "bin")}:${process.env["PATH"] ?? ""}`,
      },
      stdio: ["ignore", "ignore", "pipe"],
    });
    const ended = Promise.all([once(child, "exit"), text(child.stderr)]).then(([[code], said]) => {
      assert.equal(code, 0, said);
      return said;
    });
    return { ended };
  };
  const maintained = (): void =>
    writeFileSync(join(folder, "answer"), JSON.stringify({ type: MAINTENANCE_TYPE }));

  it("begins where the others answer, and asks each of them", async () => {
    assert.equal(await begin().ended, "");
    assert.ok(is("begun"));
    assert.equal(
      readFileSync(join(folder, "asked"), "utf8"),
      "http://10.0.0.2:8080/api/\nhttp://10.0.0.3:8080/api/\n",
    );
  });

  it("begins where there are no others, or none of them can be reached", async () => {
    command("curl", "exit 7");
    await begin().ended;
    assert.ok(is("begun"));
    rmSync(join(folder, "begun"));
    command("getent", 'case $2 in tasks.edge) exit 2 ;; *) echo "10.0.0.9 $2" ;; esac');
    await begin().ended;
    assert.ok(is("begun"));
  });

  it("asks the DNS once more where that knows no others yet", async () => {
    command(
      "getent",
      'case $2 in tasks.edge) echo x >> "$FOLDER/looked"; [ "$(wc -l < "$FOLDER/looked")" -gt 1 ] || exit 2; cat "$FOLDER/peers" ;; *) echo "10.0.0.9 $2" ;; esac',
    );
    await begin().ended;
    assert.equal(readFileSync(join(folder, "asked"), "utf8").split("\n").length, 3);
  });

  it("waits for its own node while the others are in maintenance", async () => {
    maintained();
    const { ended } = begin();
    for (const end = performance.now() + 20_000; !is("asked"); await sleep(20))
      assert.ok(performance.now() < end, "it asked nobody");
    assert.ok(!is("begun"));
    writeFileSync(shared, "{}");
    assert.equal(await ended, "");
    assert.ok(is("begun"));
  });

  it("asks nobody where its own node knows", async () => {
    maintained();
    writeFileSync(shared, "{}");
    await begin().ended;
    assert.ok(is("begun"));
    assert.ok(!is("asked"));
  });

  it("begins after a while where its node is never told, and says so", async () => {
    maintained();
    command("sleep", "exit 0");
    assert.match(await begin().ended, /other nodes are in maintenance and this one is not/);
    assert.ok(is("begun"));
  });
});
