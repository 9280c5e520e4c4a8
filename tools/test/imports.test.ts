/** Proves that `npm run lint` fails on an import circle and on an import that goes up, by the rules as they are. */
import { strict as assert } from "node:assert";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { SUITES } from "./suites.ts";

const REPOSITORY = join(import.meta.dirname, "../..");

describe("the check of imports", function () {
  this.timeout(60_000);

  it("passes a house whose imports go down", () => {
    const { code, output } = check({
      "tools/host/lock.ts": [],
      "tools/build/go.ts": ["tools/host/lock.ts"],
      "tools/find/index.ts": ["tools/build/go.ts", "tools/host/lock.ts"],
      "infra/index.ts": [],
      "policies/rule.ts": ["infra/index.ts"],
      "ops/cli.ts": ["infra/index.ts", "tools/host/lock.ts"],
      "service/src/app.ts": [],
      "service/dev/main.ts": ["service/src/app.ts", "tools/host/lock.ts"],
      "test/support/http.ts": ["infra/index.ts"],
      "bench/deploy.ts": ["ops/cli.ts", "test/support/http.ts"],
      "infra/test/edge.test.ts": ["infra/index.ts", "service/src/app.ts"],
      "test/e2e/stack.test.ts": ["bench/deploy.ts"],
    });
    assert.equal(code, 0, output);
  });

  it("fails on a circle of two files", () => {
    const { code, output } = check({ "ops/a.ts": ["ops/b.ts"], "ops/b.ts": ["ops/a.ts"] });
    assert.notEqual(code, 0, output);
    assert.match(output, /no-circle: ops\/[ab]\.ts/);
  });

  it("fails on a circle of three files that import only types", () => {
    const files = { "ops/a.ts": ["ops/b.ts"], "ops/b.ts": ["ops/c.ts"], "ops/c.ts": ["ops/a.ts"] };
    const { code, output } = check(files, importsType);
    assert.notEqual(code, 0, output);
    assert.match(output, /no-circle: ops\/[abc]\.ts/);
  });

  const upward: readonly (readonly [rule: string, from: string, to: string])[] = [
    ["tools-imports", "tools/find/a.ts", "ops/cli.ts"],
    ["tools-imports", "tools/find/b.ts", "infra/index.ts"],
    ["tools-host-imports", "tools/host/a.ts", "tools/build/a.ts"],
    ["tools-build-imports", "tools/build/b.ts", "tools/find/index.ts"],
    ["infra-imports", "infra/a.ts", "ops/cli.ts"],
    ["infra-imports", "infra/config/b.ts", "tools/host/lock.ts"],
    ["infra-imports", "infra/components/c.ts", "service/src/app.ts"],
    ["policies-imports", "policies/rules/a.ts", "ops/cli.ts"],
    ["ops-imports", "ops/stack/a.ts", "bench/deploy.ts"],
    ["ops-imports", "ops/stack/b.ts", "test/support/http.ts"],
    ["bench-imports", "bench/a.ts", "test/e2e/page.ts"],
    ["bench-imports", "bench/resilience/b.ts", "service/src/app.ts"],
    ["frontend-imports", "frontend/js/a.ts", "service/src/app.ts"],
    ["service-imports", "service/src/a.ts", "infra/index.ts"],
    ["service-imports", "service/dev/b.ts", "tools/find/index.ts"],
    ["service-image-imports", "service/src/c.ts", "tools/host/lock.ts"],
    ["test-support-imports", "test/support/a.ts", "bench/deploy.ts"],
    ["no-test-code", "ops/commands/a.ts", "infra/test/defaults.ts"],
  ];
  for (const write of [importsValue, importsType]) {
    describe(`fails on an import that goes up (${write.name})`, () => {
      let found: ReturnType<typeof check>;
      before(() => {
        const files: Record<string, readonly string[]> = {};
        for (const [, from, to] of upward) Object.assign(files, { [to]: [], [from]: [to] });
        found = check(files, write);
      });

      for (const [rule, from, to] of upward) {
        it(`${dirname(from)} imports ${to}`, () => {
          assert.notEqual(found.code, 0);
          assert.ok(found.output.includes(`${rule}: ${from}`), found.output);
        });
      }
    });
  }
});

function importsValue(path: string, n: number): string {
  return `import { value as value${n} } from "${path}";\nexport const copy${n} = value${n};\n`;
}

function importsType(path: string, n: number): string {
  return `import type { Value as Value${n} } from "${path}";\nexport type Copy${n} = Value${n};\n`;
}

/**
 * Makes a house of these files and runs the suite's command there.
 * @param files what each of them imports, seen from the root of the house.
 */
function check(
  files: Readonly<Record<string, readonly string[]>>,
  write = importsValue,
): { code: number | null; output: string } {
  const house = mkdtempSync(join(tmpdir(), "omniai-imports-"));
  try {
    for (const [path, imported] of Object.entries(files)) {
      const up = "../".repeat(path.split("/").length - 1);
      const lines = imported.map((target, n) => write(`${up}${target}`, n));
      mkdirSync(dirname(join(house, path)), { recursive: true });
      writeFileSync(join(house, path), `${lines.join("")}export const value = 1;\nexport type Value = 1;\n`);
    }
    const [program = "", ...args] = SUITES.find(({ name }) => name === "imports")?.command ?? [];
    const { status, stdout, stderr } = spawnSync(
      join(REPOSITORY, "node_modules/.bin", program),
      [...args, "--config", join(REPOSITORY, ".dependency-cruiser.mjs")],
      { cwd: house, encoding: "utf8" },
    );
    return { code: status, output: stdout + stderr };
  } finally {
    rmSync(house, { recursive: true, force: true });
  }
}
