/** The README and the docs lead to files that are there. */
import { strict as assert } from "node:assert";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

const ROOT = join(import.meta.dirname, "../..");
const PAGES = [
  "README.md",
  ...readdirSync(join(ROOT, "docs"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => join("docs", name)),
];

/** The links of a page to files of the repository, without what comes after `#`. */
const linksOf = (text: string): string[] =>
  [...text.matchAll(/\]\(([^)\s#]+)(?:#[^)]*)?\)/g)]
    .map(([, target = ""]) => target)
    .filter((target) => !/^[a-z]+:/.test(target));

describe("the links of the README and the docs", () => {
  it("are found", () => {
    const text = "[a](b.md), ![c](d/e.svg), [f](https://example.org), [g](h.md#i)";
    assert.deepEqual(linksOf(text), ["b.md", "d/e.svg", "h.md"]);
  });

  it("lead to files of the repository", () => {
    const links = PAGES.flatMap((page) =>
      linksOf(readFileSync(join(ROOT, page), "utf8")).map((target) => ({ page, target })),
    );
    assert.ok(links.length > 100, `${links.length} links`);
    const broken = links.filter(({ page, target }) => !existsSync(join(ROOT, dirname(page), target)));
    assert.deepEqual(broken, []);
  });
});
