/** What each command says first where the engine is not the one that the stack's state knows. */
import { strict as assert } from "node:assert";
import { execFile, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { ROOT } from "../../stack/place.ts";
import { types } from "../../stack/state.ts";

describe("on another engine than the stack's @engine", function () {
  this.timeout(300_000);
  const stack = `test-else-${randomBytes(3).toString("hex")}`;
  const folder = mkdtempSync(join(tmpdir(), "omniai-else-"));
  const env = {
    ...process.env,
    PULUMI_BACKEND_URL: `file://${folder}`,
    PULUMI_CONFIG_PASSPHRASE: "test",
    PULUMI_SKIP_UPDATE_CHECK: "true",
    NO_COLOR: "1",
    CI: "",
  };

  before(async () => {
    const pulumi = (...args: readonly string[]): Promise<unknown> =>
      promisify(execFile)("pulumi", [...args, "--stack", stack], { cwd: folder, env });
    writeFileSync(join(folder, "Pulumi.yaml"), "name: omniai\nruntime: nodejs\n");
    await promisify(execFile)("pulumi", ["stack", "init", stack], { cwd: folder, env });
    await pulumi("stack", "export", "--file", "state.json");
    const urn = (type: string, name: string): string => `urn:pulumi:${stack}::omniai::${type}::${name}`;
    const root = urn("pulumi:pulumi:Stack", `omniai-${stack}`);
    const state = {
      version: 3,
      deployment: {
        manifest: { time: "2026-01-02T03:04:05Z", magic: "", version: "" },
        resources: [
          { urn: root, type: "pulumi:pulumi:Stack", custom: false },
          {
            ...{
              urn: urn(types.command, `omniai-${stack}-engine`),
              type: types.command,
              custom: true,
              id: "a",
            },
            ...{ parent: root, outputs: { stdout: JSON.stringify({ id: "ANOTHER", name: "former" }) } },
          },
        ],
      },
    };
    writeFileSync(join(folder, "state.json"), JSON.stringify(state));
    await pulumi("stack", "import", "--file", "state.json");
  });
  after(() => {
    rmSync(folder, { recursive: true, force: true });
    // The audit of a state elsewhere is this checkout's.
    const audit = join(ROOT, ".state", "audit");
    if (!existsSync(audit)) return;
    for (const name of readdirSync(audit)) if (name.startsWith(stack)) rmSync(join(audit, name));
  });

  for (const [command, ...rest] of [
    ["down"],
    ["down", "--delete-data"],
    ["restore", "--latest", "--replace", "--yes"],
    ["upgrade", "postgres", "18", "--yes"],
    ["drift"],
    ["restart"],
  ] as const) {
    it(`is refused before anything is asked, looked for or ended: ${[command, ...rest].join(" ")}`, () => {
      const args = [join(ROOT, "ops/cli.ts"), command, ...rest, "--stack", stack, "--no-install"];
      const { stderr, status } = spawnSync(process.execPath, args, {
        ...{ encoding: "utf8", env, stdio: ["ignore", "pipe", "pipe"] },
      });
      assert.match(
        stderr,
        new RegExp(`Stack ${stack} is on another Docker engine: .*"former" \\(ANOTHER\\)`),
      );
      assert.doesNotMatch(stderr, /terminal|backup room/);
      assert.equal(status, 1);
    });
  }
});
