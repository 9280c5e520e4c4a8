/** The pack as a whole: every rule is listed, tested, documented, and named once. */
import { strict as assert } from "node:assert";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DOCUMENT, renderDocument } from "../document.ts";
import { Judge } from "../judge.ts";
import { HOST_RULES, RULES } from "../pack.ts";
import { CONTAINER, isAbout, REMOTE_COMMAND, SERVICE } from "../rule.ts";
import { container, judge, service, stackContext } from "./support/cases.ts";

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
    const about = RULES.filter((rule) => rule.kind === "resource" && isAbout(rule, CONTAINER));
    assert.ok(about.length >= 25, `${about.length} rules are about containers`);
    for (const rule of about) assert.deepEqual(judge(rule, container()), [], rule.name);
  });

  it("is content with a hardened service", () => {
    const about = RULES.filter((rule) => rule.kind === "resource" && isAbout(rule, SERVICE));
    assert.ok(about.length >= 20, `${about.length} rules are about services`);
    for (const rule of about) assert.deepEqual(judge(rule, service()), [], rule.name);
  });

  it("has for the host's own steps every rule that is about them, and about nothing else", () => {
    const names = HOST_RULES.map(({ name }) => name);
    for (const needed of ["command-known", "command-secrets", "command-containers"])
      assert.ok(names.includes(needed), names.join());
    for (const rule of HOST_RULES) {
      assert.ok(rule.kind === "resource" && isAbout(rule, REMOTE_COMMAND), rule.name);
      assert.ok(!isAbout(rule, "docker:index/remoteImage:RemoteImage"), rule.name);
    }
    // An exception from any other rule stands in the same file.
    const exception = {
      rule: "container-user",
      resource: "x",
      reason: "it drops root by itself",
      until: "2026-12-01",
    };
    const run = { ...stackContext, preview: true, exceptions: [exception], now: new Date("2026-11-24") };
    new Judge(HOST_RULES, RULES).begin(run);
    assert.throws(() => new Judge(HOST_RULES).begin(run), /unknown rule: container-user/);
  });
});
