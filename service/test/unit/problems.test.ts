/** The catalogue of problems: nothing in it that is not answered, and openapi.json says the same. */
import { strict as assert } from "node:assert";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { openApiDocument } from "../../src/openapi.ts";
import {
  allProblemTypes,
  edgeProblemTypes,
  PROBLEM_URN,
  problemTypes,
} from "../../src/platform/problem-types.ts";
import { Problem } from "../../src/platform/problems.ts";

const SOURCES = join(import.meta.dirname, "../../src");

/** All sources but the catalogue. */
const CODE = readdirSync(SOURCES, { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts") && !file.endsWith("problem-types.ts"))
  .map((file) => readFileSync(join(SOURCES, file), "utf8"))
  .join("\n");

describe("the catalogue of problems", () => {
  it("has no type that the code never uses", () => {
    const unused = Object.keys(problemTypes).filter((slug) => !CODE.includes(`"${slug}"`));
    assert.deepEqual(unused, []);
  });

  it("has one entry for each name, the edge's included", () => {
    const both = Object.keys(edgeProblemTypes).filter((slug) => slug in problemTypes);
    assert.deepEqual(both, []);
    for (const [slug, { status, title, when }] of Object.entries(allProblemTypes)) {
      assert.match(slug, /^[a-z]+(-[a-z]+)*$/);
      assert.ok(status >= 400 && status < 600, slug);
      assert.match(title, /^[A-Z].*[^.]$/);
      assert.match(when, /^[A-Z`].*\.$/);
    }
  });

  it("is what openapi.json lists, each with when it comes", () => {
    for (const port of ["public", "internal"] as const) {
      const { components } = openApiDocument(port, "1") as {
        components: {
          schemas: { Problem?: { properties: { type: { enum: string[]; description: string } } } };
        };
      };
      const type = components.schemas.Problem?.properties.type;
      assert.deepEqual(
        type?.enum,
        Object.keys(allProblemTypes).map((slug) => PROBLEM_URN + slug),
      );
      for (const { when } of Object.values(allProblemTypes))
        assert.ok(type?.description.includes(when), when);
    }
  });

  it("gives a problem its status", () => {
    assert.equal(new Problem("rate-limited", "Too many.").status, 429);
    assert.equal(new Problem("bad-request", "What Express says.", { status: 414 }).status, 414);
  });
});
