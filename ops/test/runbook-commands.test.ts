/** What the runbook has a tired person type, in order, is what the tests of whole stacks run. */
import { strict as assert } from "node:assert";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../stack/place.ts";

const E2E = join(ROOT, "test/e2e");

/** What the tests' own helpers add to each command. */
const ADDED = ["--stack", "--bucket", "--access-key-id"];

/** Pure: the commands in the blocks of a text, without what is another in each case: times, ids and addresses. */
const commandsIn = (text: string): string[] => [
  ...new Set(
    [...text.matchAll(/^```\n([^]*?)^```$/gm)]
      .flatMap(([, block = ""]) => [...block.matchAll(/npm run ([a-z]+)((?:"[^"\n]*"|[^"#\n])*)/g)])
      .map(([, script = "", rest = ""]) =>
        [script, ...(rest.match(/"[^"]*"|\S+/g) ?? [])].filter(isWord).join(" "),
      ),
  ),
];

/** Pure: the words that a source lists one after the other, as the arguments of a call or in an array. */
function wordLists(source: string): string[][] {
  const part = /(?:"[^"\n]*"|`[^`]*`|\.{0,3}[A-Za-z_.?]+(?:\([^()]*\))?)/.source;
  return [...source.matchAll(new RegExp(`${part}(?:,\\s*${part})*`, "g"))].map(([list]) =>
    [...list.matchAll(/"([^"\n]*)"/g)].map(([, word = ""]) => word),
  );
}

/** What asks and shows otherwise, and does the same. */
const ALIKE = ["--yes", "--json"];
const isWord = (word: string): boolean => /^(--)?[a-z][a-z-]*$/.test(word) && !ADDED.includes(word);

/** Pure: whether a list has the script, and after it the words of the command and no other. */
const runs = (list: readonly string[], command: string): boolean =>
  list.some(
    (_, at) =>
      list
        .slice(at)
        .filter((word) => isWord(word) && !ALIKE.includes(word))
        .join(" ") === command,
  );

describe("the commands of the runbook's cases", () => {
  const runbook = readFileSync(join(ROOT, "docs/runbook.md"), "utf8");
  const commands = commandsIn(runbook.slice(0, runbook.indexOf("\n## Alerts\n")));
  const lists = readdirSync(E2E)
    .filter((name) => name.endsWith(".test.ts"))
    .flatMap((name) => wordLists(readFileSync(join(E2E, name), "utf8")));

  it("are found, and so is what a test runs", () => {
    assert.deepEqual(commandsIn('```\nnpm run restore -- --to "2026-11-22 14:03" --replace  # asks\n```\n'), [
      "restore --to --replace",
    ]);
    assert.deepEqual(wordLists('run("restore", "--to", moment, "--replace")'), [
      ["restore", "--to", "--replace"],
    ]);
    assert.ok(runs(["restore", "--to", "--replace", "--yes"], "restore --to --replace"));
    assert.ok(!runs(["restore", "--latest"], "restore --to"));
    assert.ok(!runs(["restore", "--redis", "--latest"], "restore --latest"));
    assert.ok(commands.length > 15, commands.join("\n"));
  });

  it("are run by a test of a whole stack, each with its flags", () => {
    const missing = commands.filter((command) => !lists.some((list) => runs(list, command)));
    assert.deepEqual(missing, []);
  });
});
