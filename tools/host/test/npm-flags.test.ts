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

  it("are not other settings of npm", () => {
    assert.equal(
      lineOf([], { npm_config_registry: "https://r.example", npm_config_loglevel: "silent" }),
      undefined,
    );
  });
});
