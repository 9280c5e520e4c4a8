/** What every command does before it begins. */
import { strict as assert } from "node:assert";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { QUESTIONS } from "../commands/stack/questions.ts";
import { npmsLonger, type Flag } from "../../tools/host/npm-flags.ts";

const ROOT = join(import.meta.dirname, "../..");

describe("a command whose flag npm kept", function () {
  this.timeout(120_000);
  // No engine and no state: a command that went on would change nothing.
  const env = {
    ...process.env,
    DOCKER_HOST: "unix:///none",
    PULUMI_BACKEND_URL: "file:///none",
    NO_COLOR: "1",
  };
  const npm = (...args: string[]) => spawnSync("npm", ["run", ...args], { cwd: ROOT, encoding: "utf8", env });

  for (const [typed, meant] of [
    [["outputs", "--stack=kept", "--show-secrets"], "npm run outputs -- --stack kept --show-secrets"],
    [["history", "--stack", "kept"], "npm run history -- --stack kept"],
    [["stack", "list", "--stack=kept"], "npm run stack -- list --stack kept"],
    // The flag of another command.
    [["health", "--delete-data"], "npm run health -- --delete-data"],
    // npm takes these for short forms of settings of its own.
    [["down", "--engine"], "npm run down -- --engine"],
    [["restore", "--latest", "--replace"], "npm run restore -- --latest --replace"],
    [["restore", "--to=2026-01-02"], "npm run restore -- --to 2026-01-02"],
    [["restore", "--to", "2026-01-02"], "npm run restore -- --to 2026-01-02"],
    [["restore", "--replace", "--stack=kept"], "npm run restore -- --replace --stack=kept"],
    [["preview", "--diff", "--stack=kept"], "npm run preview -- --diff --stack=kept"],
    [["logs", "-f"], "npm run logs -- --follow"],
  ] as const) {
    it(`does nothing: npm run ${typed.join(" ")}`, () => {
      const { status, stdout, stderr } = npm(...typed);
      assert.ok(stderr.includes(`Flags follow "--": ${meant}\n`), stdout + stderr);
      assert.equal(status, 2);
    });
  }

  it("is known, whatever npm makes of it: every flag of ours", () => {
    const folder = mkdtempSync(join(tmpdir(), "omniai-npm-"));
    try {
      const print = "console.log(JSON.stringify(process.env))";
      writeFileSync(join(folder, "print.js"), print);
      writeFileSync(join(folder, "package.json"), JSON.stringify({ scripts: { print: "node print.js" } }));
      const variables = (...args: readonly string[]): string[] => {
        const run = spawnSync("npm", ["run", "--silent", "print", ...args], {
          cwd: folder,
          encoding: "utf8",
          env,
        });
        assert.equal(run.status, 0, run.stdout + run.stderr);
        return Object.keys(JSON.parse(run.stdout) as object).filter((name) => name.startsWith("npm_config_"));
      };
      const before = new Set([...variables(), "npm_config_yes"]);
      const flags = ourFlags();
      assert.ok(flags.length > 50, `${flags.length} flags`);
      // With a value: without one, npm takes the next flag for it where a setting of its own has values.
      const handed = variables(
        ...flags.map(({ name, value }) =>
          value || npmsLonger.has(name) || name === "diff" ? `--${name}=1` : `--${name}`,
        ),
        "-f",
      );
      const variableOf = (name: string): string =>
        `npm_config_${name.replace(/^no-/, "").replaceAll("-", "_")}`;
      const known = new Set(flags.map(({ name }) => variableOf(name)));
      const others = handed.filter((name) => !known.has(name) && !before.has(name));
      assert.deepEqual(others.sort(), [...npmsLonger.values()].map(variableOf).sort());
      // What npm hands over under neither name would be lost without a word.
      const lost = flags.filter(({ name }) => !handed.includes(variableOf(name)) && !npmsLonger.has(name));
      assert.deepEqual(lost, []);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("goes on where npm's own setting is put aside for one run", () => {
    const typed = ["outputs", "--no-engine-strict", "--no-force", "--", "--stack", "kept"];
    const strict = { ...env, npm_config_engine_strict: "true", npm_config_force: "true" };
    const { stderr } = spawnSync("npm", ["run", ...typed], { cwd: ROOT, encoding: "utf8", env: strict });
    assert.doesNotMatch(stderr, /npm kept/);
    assert.match(stderr, /kept/);
  });
});

/** Every flag of the commands, the benches and the tests, as their sources declare them. */
function ourFlags(): Flag[] {
  const read = (...files: readonly string[]): string =>
    files.map((file) => readFileSync(join(ROOT, file), "utf8")).join("\n");
  const benches = readdirSync(join(ROOT, "bench")).filter((name) => name.endsWith(".ts"));
  const declared = [
    ...read("ops/cli.ts", "ops/terminal/options.ts").matchAll(/"(?:-\w, )?--([a-z-]+)( <)?[^"]*"/g),
    ...QUESTIONS.map(({ flag }) => ["", flag, " <"]),
    ...read("tools/test/main.ts", ...benches.map((name) => `bench/${name}`)).matchAll(/"--([a-z-]+)"/g),
    ...read(...benches.map((name) => `bench/${name}`)).matchAll(/(\w+)(: \{ type: "string")/g),
  ];
  const flags = new Map(declared.map(([, name = "", value]) => [name, { name, value }]));
  // A flag and its negation are one to npm.
  for (const name of flags.keys()) if (name.startsWith("no-")) flags.delete(name.slice(3));
  return [...flags.values()];
}
