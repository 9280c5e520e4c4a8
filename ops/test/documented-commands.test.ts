/** Every command line of the README, the docs and the workflows is one that the commands take: its script, words and flags. */
import { strict as assert } from "node:assert";
import { execFile, execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { GROUPS, SUITES } from "../../tools/test/suites.ts";
import { ROOT } from "../stack/place.ts";

const filesIn = (folder: string, end: string): string[] =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(end))
    .map((name) => join(folder, name));
const FILES = ["README.md", ...filesIn("docs", ".md"), ...filesIn(".github", ".yml")];
const scripts = (JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { scripts: object })
  .scripts as Readonly<Record<string, string>>;

interface Line {
  readonly file: string;
  readonly text: string;
  readonly script: string;
  /** What the script gets, also where npm keeps the flags. */
  readonly words: readonly string[];
  /** The flags that npm keeps for itself, because no "--" stands before them. */
  readonly kept: readonly string[];
}

/** Pure: the command lines in a text, each up to the end of its code, its line, or what a shell takes for itself. */
function commandLines(file: string, text: string): Line[] {
  return [...text.matchAll(/\bnpm (?:run ([a-z:]+)|(test)\b)((?:"[^"\n]*"|(?! \d>)[^"`\n#|;&>)])*)/g)].map(
    ([line, run, test, rest = ""]) => {
      const words = [...rest.matchAll(/"[^"]*"|\S+/g)].map(([word]) => word.replaceAll('"', ""));
      const [separator, ...own] = words;
      const script = run ?? test ?? "";
      const separated = separator === "--";
      const kept = separated ? [] : words.filter((word) => word.startsWith("--"));
      return {
        ...{ file, text: line.trim(), script, kept },
        words: separated ? own : words.filter((word) => !word.startsWith("--")),
      };
    },
  );
}

const LINES = FILES.flatMap((file) => commandLines(file, readFileSync(join(ROOT, file), "utf8")));
const helps = new Map<string, string>();
/** What a command says about itself; of one with commands of its own, what the one that is named says. */
function helpOf(script: string, words: readonly string[]): string {
  const path = [script, ...(script === "stack" ? words.slice(0, 1) : [])];
  const key = path.join(" ");
  const known =
    helps.get(key) ??
    execFileSync(process.execPath, [join(ROOT, "ops/cli.ts"), ...path, "--help"], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
  helps.set(key, known);
  assert.ok(known.startsWith(`Usage: omniai ${key} `), `there is no command ${key}`);
  return known;
}

describe("the command lines of the docs", () => {
  it("are found", () => {
    assert.deepEqual(commandLines("f", 'say `npm run user -- add ops --scopes "a b"`, or npm run up # x'), [
      {
        file: "f",
        text: 'npm run user -- add ops --scopes "a b"',
        script: "user",
        words: ["add", "ops", "--scopes", "a b"],
        kept: [],
      },
      { file: "f", text: "npm run up", script: "up", words: [], kept: [] },
    ]);
    assert.deepEqual(commandLines("f", "npm run maintenance of --stack=x")[0]?.words, ["of"]);
    assert.deepEqual(commandLines("f", "npm run down --stack=x")[0]?.kept, ["--stack=x"]);
    assert.ok(LINES.length > 100, `${LINES.length} lines`);
  });

  it("name scripts of the project", () => {
    const unknown = LINES.filter(({ script }) => scripts[script] === undefined);
    assert.deepEqual(unknown, []);
  });

  it("give their flags to the command, and not to npm", () => {
    assert.deepEqual(
      LINES.filter(({ kept }) => kept.length > 0).map(({ file, text }) => `${file}: ${text}`),
      [],
    );
  });

  it("name flags and words that these commands take", function () {
    this.timeout(300_000); // each command starts once
    const wrong = LINES.filter(({ script }) => scripts[script]?.includes("ops/cli.ts")).flatMap((line) =>
      wrongIn(line).map((what) => `${line.file}: ${line.text}: ${what}`),
    );
    assert.deepEqual(wrong, []);
  });

  it("would be found where one is wrong", function () {
    this.timeout(60_000);
    const of = (text: string): string[] => wrongIn(commandLines("f", text)[0] ?? assert.fail());
    assert.deepEqual(of("npm run maintenance of"), ["of"]);
    assert.deepEqual(of("npm run alerts silenced -- x"), ["silenced"]);
    assert.deepEqual(of("npm run maintenance -- on --stak=prod"), ["--stak"]);
    assert.deepEqual(of("npm run up staging"), ["staging"]);
    assert.deepEqual(of('npm run maintenance -- on --message "back at 9" --stack prod'), []);
  });

  it("give the other scripts flags that their programs have, and the tests names of suites", () => {
    const suites = new Set([...GROUPS, ...SUITES.map(({ name }) => name)]);
    const others = LINES.filter(({ script }) =>
      /^node tools\/run\.mjs (?!ops\/)/.test(scripts[script] ?? ""),
    );
    assert.ok(
      others.some(({ words }) => words.includes("--list")),
      "the list is one of other scripts",
    );
    const wrong = others.flatMap(({ file, text, script, words }) => {
      const program = readFileSync(join(ROOT, scripts[script]?.split(" ")[2] ?? ""), "utf8");
      const unknown = words.filter((word) =>
        word.startsWith("--")
          ? !program.includes(`"${word}"`) && !program.includes(` ${word.slice(2)}: { type: `)
          : script === "test" && !suites.has(word),
      );
      return unknown.map((what) => `${file}: ${text}: ${what}`);
    });
    assert.deepEqual(wrong, []);
  });
});

/** The flags and words of a line that the command does not take, as its help says. */
function wrongIn({ script, words: all }: Line): string[] {
  const help = helpOf(script, all);
  const words = script === "stack" ? all.slice(1) : all;
  const flagOf = (word: string): string => word.replace(/=.*/, "");
  const unknown = words
    .filter((word) => word.startsWith("--"))
    .map(flagOf)
    .filter((flag) => !new RegExp(`(^|[ ,])${flag}[ ,\\n]`, "m").test(help));
  const hasValue = (word = ""): boolean => /^--[^=]+$/.test(word) && new RegExp(`[ ,]${word} <`).test(help);
  const own = words.filter((word, index) => !word.startsWith("-") && !hasValue(words[index - 1]));
  const [usage = ""] = help.split("\n");
  const taken = [...usage.matchAll(/<\w+>|\[(?!options\])\w+\]/g)].length;
  const [argument = ""] = /^Arguments:\n[\s\S]*?\n\n/m.exec(help) ?? [];
  const choices = /\(choices:\s+([^)]*)\)/.exec(argument)?.[1];
  const [word] = own;
  const isChosen = choices === undefined || word === undefined || choices.includes(`"${word}"`);
  return [...unknown, ...(isChosen ? [] : [word ?? ""]), ...own.slice(taken)];
}

describe("the lines of the docs for Pulumi's own CLI @engine", function () {
  this.timeout(60_000);
  /** Up to the end of the code, of the line, or of what is for pulumi; a line that ends in a backslash goes on. */
  const CLI = /(?:`|^ *)pulumi ((?:[a-z]+(?=[\s`]|$) ?)+)((?:"[^"\n]*"|'[^'\n]*'|\\\n|[^"'`\n#|;&<>])*)/gm;
  const found = FILES.flatMap((file) =>
    [...readFileSync(join(ROOT, file), "utf8").matchAll(CLI)].map(([text, path = "", rest = ""]) => {
      const words = rest.split(/\s+/).map((word) => word.replaceAll(/["']/g, ""));
      const [first = ""] = path.split(" ");
      // What follows such a word is a command of it; what follows any other is its own.
      const groups = ["config", "stack", "state", "plugin"];
      const command = groups.includes(first) ? path.trim().split(" ").slice(0, 2) : [first];
      return { file, text: text.trim(), command, words };
    }),
  );

  it("name flags that it has, and keys that the project has", async () => {
    assert.ok(found.length > 15, `${found.length} lines`);
    const flagsOf = (words: readonly string[]): string[] =>
      words.filter((word) => word.startsWith("--")).map((word) => word.replace(/=.*/, ""));
    const commands = new Set(
      found.filter(({ words }) => flagsOf(words).length > 0).map(({ command }) => command.join(" ")),
    );
    const said = new Map(
      await Promise.all(
        [...commands].map(async (command) => {
          const { stdout } = await promisify(execFile)("pulumi", [...command.split(" "), "--help"]);
          return [command, stdout] as const;
        }),
      ),
    );
    const wrong = found.flatMap(({ file, text, command, words }) =>
      flagsOf(words)
        .filter((flag) => !new RegExp(`[ ,]${flag}\\b`).test(said.get(command.join(" ")) ?? ""))
        .map((flag) => `${file}: ${text}: ${flag}`),
    );
    assert.deepEqual(wrong, []);

    const declared = readFileSync(join(ROOT, "Pulumi.yaml"), "utf8");
    const keys = found
      .filter(({ command }) => command.join(" ") === "config set")
      .flatMap(({ file, words }) =>
        words
          .filter(
            (word, index) =>
              /^[a-zA-Z:]+(\[\d+\].*)?$/.test(word) && !/^--stack$/.test(words[index - 1] ?? ""),
          )
          .slice(0, 1)
          .map((word) => ({ file, key: word.replace(/\[.*/, "").replace(/^omniai:/, "") })),
      )
      .filter(({ key }) => !key.includes(":"));
    assert.ok(keys.length > 8, `${keys.length} keys`);
    assert.deepEqual(
      keys.filter(({ key }) => !new RegExp(`^  ${key}:$`, "m").test(declared)),
      [],
    );
  });
});
