/** How `npm run pages` writes the page of a stack. */
import { strict as assert } from "node:assert";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runtimeConfigOf, writeSite } from "../../commands/pages.ts";
import { OpsError } from "../../terminal/errors.ts";

describe("the page as files", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "omniai-pages-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it("is written into a folder that is empty or does not exist yet", () => {
    const files = [
      { path: "index.html", content: "<!doctype html>" },
      { path: "js/a.js", content: "export {};" },
    ];
    writeSite(folder, files);
    writeSite(join(folder, "new", "one"), files);
    assert.equal(readFileSync(join(folder, "new/one/js/a.js"), "utf8"), "export {};");
  });

  it("is never written beside other files, which would be published with it", () => {
    writeSite(folder, [{ path: "secret.txt", content: "x" }]);
    assert.throws(() => writeSite(folder, []), OpsError);
  });

  it("calls the API that the stack's outputs name", () => {
    const value = { stack: "prod", apiBaseUrl: "https://api.example.org" };
    assert.deepEqual(runtimeConfigOf({ runtimeConfig: { value } }, "prod"), value);
    assert.throws(() => runtimeConfigOf({}, "prod"), /has no runtimeConfig/);
  });
});
