/**
 * How the edge takes a certificate that is handed over: its own script, with a stand-in of nginx that answers as it is told.
 * test/acme has a real one.
 */
import { strict as assert } from "node:assert";
import { spawn, type ChildProcess } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "../../test/support/http.ts";
import { EDGE_SCRIPT, HANDOVER_FOLDER } from "../components/edge/acme.ts";
import { EDGE_FOLDER } from "../components/edge/switch.ts";

/** Its verdict on a configuration with an authority's pair is a script; each look and each question leaves a line. */
const NGINX = `#!/bin/sh
case "$*" in
  *next.conf) echo asked >> "$ROOM/asked"; . "$ROOM/verdict" ;;
  -t*) exit 0 ;;
  *) trap "" HUP; echo $$ > "$ROOM/nginx.pid"; while :; do /bin/sleep 0.05; done ;;
esac
`;
const SLEEP = `#!/bin/sh
echo looked >> "$ROOM/looked"
exec /bin/sleep 0.05
`;

describe("the edge's script about certificates", () => {
  let room: string;
  let edge: ChildProcess | undefined;
  let said: string;
  const count = (file: string): number =>
    existsSync(join(room, file)) ? readFileSync(join(room, file), "utf8").split("\n").length - 1 : 0;
  const decide = (verdict: string): void => writeFileSync(join(room, "verdict"), verdict);
  const served = (): string => readFileSync(join(room, "edge/certificate.conf"), "utf8");

  beforeEach(() => {
    room = mkdtempSync(join(tmpdir(), "omniai-certificates-"));
    said = "";
    for (const folder of ["bin", "edge/releases/one", "handover/pair"])
      mkdirSync(join(room, folder), { recursive: true });
    for (const [name, content] of Object.entries({ nginx: NGINX, sleep: SLEEP })) {
      writeFileSync(join(room, "bin", name), content);
      chmodSync(join(room, "bin", name), 0o755);
    }
    symlinkSync("releases/one", join(room, "edge/current"));
    writeFileSync(join(room, "edge/releases/one/nginx.conf"), `include ${EDGE_FOLDER}/certificate.conf;\n`);
    for (const name of ["fullchain.pem", "privkey.pem"]) writeFileSync(join(room, "handover/pair", name), "");
    symlinkSync("pair", join(room, "handover/current"));
  });
  afterEach(() => {
    // Its loop as well: it has a group of its own.
    if (edge?.pid !== undefined && edge.exitCode === null) process.kill(-edge.pid, "SIGKILL");
    rmSync(room, { recursive: true, force: true });
  });

  const start = (): void => {
    const script = EDGE_SCRIPT.replaceAll(EDGE_FOLDER, join(room, "edge"))
      .replaceAll(HANDOVER_FOLDER, join(room, "handover"))
      .replaceAll("/tmp/nginx.pid", join(room, "nginx.pid"));
    edge = spawn("sh", ["-c", script], {
      detached: true,
      env: { PATH: `${join(room, "bin")}:${process.env["PATH"]}`, ROOM: room },
      stdio: ["ignore", "ignore", "pipe"],
    });
    edge.stderr?.on("data", (part: Buffer) => (said += part.toString()));
  };

  for (const [whom, words] of Object.entries({
    nginx: "nginx: [emerg] malloc(16384) failed (12: Cannot allocate memory)",
    OpenSSL:
      'nginx: [emerg] cannot load certificate "x": PEM_read_bio_X509() failed (SSL: error:07880100:common libcrypto routines::malloc failure)',
  }))
    it(`tries a certificate again for which ${whom} had no memory`, async () => {
      decide(`echo '${words}' >&2; exit 1`);
      start();
      await eventually("a second question", 20, () => count("asked") >= 2);
      assert.doesNotMatch(said, /refuses the certificate/);
      assert.ok(said.includes(words), "the reason is told");
      assert.match(served(), /^ssl_certificate tls\/certificate.pem;/);
      decide("exit 0");
      await eventually("the certificate", 20, () => said.includes("the edge serves the certificate pair"));
      assert.match(served(), /certificates\/pair\/fullchain.pem;/);
    });

  it("asks once about one that nginx refuses, says why, and goes on with the one before", async () => {
    decide(`echo 'nginx: [emerg] cannot load certificate "x": no start line' >&2; exit 1`);
    start();
    await eventually("the refusal", 20, () => said.includes("nginx refuses the certificate pair"));
    assert.match(said, /no start line/);
    const looks = count("looked");
    await eventually("three more looks", 20, () => count("looked") >= looks + 3);
    assert.equal(count("asked"), 1);
    assert.match(served(), /^ssl_certificate tls\/certificate.pem;/);
  });
});
