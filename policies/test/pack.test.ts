/** The pack as a whole: every rule is listed, tested, documented, and named once. */
import { strict as assert } from "node:assert";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DOCUMENT, renderDocument } from "../document.ts";
import { RULES } from "../pack.ts";
import { CONTAINER } from "../rule.ts";
import { container, judge } from "./support/cases.ts";

const NAMES = RULES.map(({ name }) => name).sort();
const FOLDER = join(import.meta.dirname, "..");

describe("the policy pack", () => {
  it("has a file and a test for each rule", () => {
    assert.deepEqual(readdirSync(join(FOLDER, "rules")).sort(), NAMES.map((name) => `${name}.ts`).sort());
    assert.deepEqual(
      readdirSync(join(FOLDER, "test", "rules")).sort(),
      NAMES.map((name) => `${name}.test.ts`).sort(),
    );
  });

  it("tests in each file the rule that it is named after", () => {
    for (const name of NAMES) {
      const text = readFileSync(join(FOLDER, "test", "rules", `${name}.test.ts`), "utf8");
      const [, symbol = ""] =
        new RegExp(`import \\{ (\\w+) \\} from "../../rules/${name}.ts";`).exec(text) ?? [];
      assert.match(text, new RegExp(`^testRule\\(${symbol}, \\{`, "m"), name);
    }
  });

  it("names each rule once", () => assert.equal(new Set(NAMES).size, NAMES.length));

  it("is what docs/policies.md says (npm run policy:docs writes it)", () => {
    assert.equal(readFileSync(DOCUMENT, "utf8"), renderDocument(RULES));
  });

  it("is content with a hardened container", () => {
    const about = RULES.filter((rule) => rule.kind === "resource" && rule.types.includes(CONTAINER));
    assert.ok(about.length >= 25, `${about.length} rules are about containers`);
    for (const rule of about) assert.deepEqual(judge(rule, container()), [], rule.name);
  });
});
