/** The program of a room, by its own tests in Python. Where no Python fits, they are counted as skipped. */
import { strict as assert } from "node:assert";
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";

/** Runs all of it at once. @returns the outcome of each test by name; undefined without Python 3.11 */
function runAll(
  tests: string,
  context: string,
): { readonly outcomes: ReadonlyMap<string, string>; readonly text: string } | undefined {
  const fits = "import sys; sys.exit(sys.version_info < (3, 11))";
  if (spawnSync("python3", ["-c", fits]).status !== 0) return undefined;
  const { stderr } = spawnSync("python3", ["-B", "-m", "unittest", "discover", "-v", "-s", tests], {
    encoding: "utf8",
    env: { ...process.env, PYTHONPATH: context },
  });
  const lines = [...stderr.matchAll(/^(test_\w+) \(([\w.]+)\) \.\.\. (\w+)/gm)];
  return {
    outcomes: new Map(lines.map(([, test = "", where = "", outcome = ""]) => [`${where}: ${test}`, outcome])),
    text: stderr,
  };
}

/**
 * To be called where a suite is described: a test for each one in Python.
 * @param tests the folder with them. @param context the folder that has the room's package.
 */
export function describePython(tests: string, context: string): void {
  const run = runAll(tests, context);
  if (run === undefined) {
    it.skip("python3 of version 3.11 or newer is not on this machine");
    return;
  }
  const { outcomes, text } = run;

  it("has tests in every file, and nothing else went wrong", () => {
    const files = readdirSync(tests).filter((name) => name.endsWith(".py"));
    for (const file of files)
      assert.ok(
        [...outcomes.keys()].some((name) => name.startsWith(file.replace(/\.py$/, "."))),
        `${file}:\n${text}`,
      );
    assert.match(text, /\nOK\b/);
  });

  for (const [name, outcome] of outcomes) {
    const [where = "", test = ""] = name.split(": ");
    it(`${where.split(".")[1] ?? where}: ${test.replace(/^test_/, "").replaceAll("_", " ")}`, () => {
      assert.equal(outcome, "ok", text);
    });
  }
}
