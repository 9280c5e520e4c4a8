/** A flag that npm kept is noticed, and the message has the line that was meant. */
import { strict as assert } from "node:assert";
import { explainKept, type Flag } from "../npm-flags.ts";

const FLAGS: readonly Flag[] = [
  { name: "stack", value: "name" },
  { name: "delete-data" },
  { name: "yes" },
  { name: "refresh" },
  { name: "no-refresh" },
  { name: "no-install" },
  { name: "message", value: "text" },
  { name: "engine" },
  { name: "to", value: "moment" },
  { name: "follow", letter: "f" },
  { name: "replace" },
  { name: "diff", ofAnother: true },
];
const lineOf = (args: readonly string[], env: Record<string, string>): string | undefined =>
  /Flags follow "--": (.*)/.exec(explainKept("down", FLAGS, args, env)?.remedy ?? "")?.[1];

describe("flags that npm kept", () => {
  it("are named with the line that was meant", () => {
    assert.equal(lineOf([], { npm_config_stack: "staging" }), "npm run down -- --stack staging");
    // `npm run down --stack staging`: npm tears the value off, and it arrives as an argument.
    assert.equal(lineOf(["staging"], { npm_config_stack: "true" }), "npm run down -- --stack staging");
    assert.equal(lineOf(["on", "staging"], { npm_config_stack: "true" }), "npm run down -- --stack <name>");
    assert.equal(
      lineOf(["on"], { npm_config_stack: "prod", npm_config_message: "it's late" }),
      `npm run down -- on --stack prod --message 'it'\\''s late'`,
    );
    assert.equal(
      lineOf([], { npm_config_delete_data: "true", npm_config_install: "" }),
      "npm run down -- --delete-data --no-install",
    );
    assert.equal(lineOf([], { npm_config_refresh: "true" }), "npm run down -- --refresh");
    assert.equal(lineOf([], { npm_config_refresh: "" }), "npm run down -- --no-refresh");
  });

  it("count even beside the same flag typed right, but for names that npm uses itself", () => {
    assert.notEqual(lineOf(["--stack", "prod"], { npm_config_stack: "staging" }), undefined);
    assert.equal(lineOf(["--yes"], { npm_config_yes: "true" }), undefined);
    assert.equal(lineOf([], { npm_config_yes: "true" }), "npm run down -- --yes");
    // `yes = false` in an .npmrc.
    assert.equal(lineOf([], { npm_config_yes: "" }), undefined);
  });

  it("are named where npm took them for short forms of settings of its own", () => {
    assert.equal(lineOf([], { npm_config_engine_strict: "true" }), "npm run down -- --engine");
    assert.equal(
      lineOf([], { npm_config_token_description: "2026-01-02" }),
      "npm run down -- --to 2026-01-02",
    );
    assert.equal(lineOf([], { npm_config_force: "true" }), "npm run down -- --follow");
    // `--replace --stack=prod`: npm takes the next word for its value.
    const swallowed = { npm_config_replace_registry_host: "--stack=prod" };
    assert.equal(lineOf([], swallowed), "npm run down -- --replace --stack=prod");
    assert.equal(lineOf([], { npm_config_replace_registry_host: "never" }), undefined);
    assert.equal(lineOf(["--engine"], { npm_config_engine_strict: "true" }), undefined);
    assert.equal(lineOf(["-f"], { npm_config_force: "true" }), undefined);
    // `npm run down --no-engine-strict` over an .npmrc that has it.
    assert.equal(lineOf([], { npm_config_engine_strict: "" }), undefined);
  });

  it("are told with the way on where the setting is meant for npm", () => {
    const remedyOf = (args: readonly string[], env: Record<string, string>): string =>
      explainKept("down", FLAGS, args, env)?.remedy ?? "";
    assert.match(
      remedyOf(["--stack", "prod"], { npm_config_engine_strict: "true" }),
      /To go on with that setting where it is: npm run down --no-engine-strict -- --stack prod$/,
    );
    assert.match(remedyOf([], { npm_config_engine_strict: "true" }), /: npm run down --no-engine-strict$/);
  });

  it("are not npm's settings where the command has no such flag", () => {
    assert.equal(lineOf([], { npm_config_diff: "true" }), undefined);
    assert.equal(
      explainKept("up", [{ name: "replace", ofAnother: true }], [], {
        npm_config_replace_registry_host: "true",
      }),
      undefined,
    );
  });

  it("are not other settings of npm", () => {
    assert.equal(
      lineOf([], { npm_config_registry: "https://r.example", npm_config_loglevel: "silent" }),
      undefined,
    );
  });
});
