/** The transport as a package: what `npm pack` makes of it is imported in another folder, with its types. */
import { strict as assert } from "node:assert";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const REPOSITORY = join(import.meta.dirname, "../..");
const NAME = "omniai-connection-manager";

describe("the transport's package", function () {
  this.timeout(180_000);
  let folder: string;
  let installed: string;

  const run = (cwd: string, command: string, ...args: string[]): { code: number | null; output: string } => {
    const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: "utf8" });
    return { code: status, output: stdout + stderr };
  };
  const passes = (cwd: string, command: string, ...args: string[]): string => {
    const { code, output } = run(cwd, command, ...args);
    assert.equal(code, 0, output);
    return output;
  };

  before(() => {
    folder = mkdtempSync(join(tmpdir(), "omniai-package-"));
    // A copy: types appear beside the source while it is packed, and other programs read that folder.
    const source = join(folder, "source");
    const transport = "frontend/js/transport";
    for (const path of ["tsconfig.json", "frontend/tsconfig.json", transport])
      cpSync(join(REPOSITORY, path), join(source, path), { recursive: true });
    symlinkSync(join(REPOSITORY, "node_modules"), join(source, "node_modules"));
    passes(join(source, transport), "npm", "pack", "--pack-destination", folder);
    const packed = readdirSync(folder).filter((name) => name.endsWith(".tgz"));
    assert.equal(packed.length, 1);
    installed = join(folder, "user/node_modules", NAME);
    mkdirSync(installed, { recursive: true });
    passes(installed, "tar", "-xzf", join(folder, packed[0] ?? ""), "--strip-components=1");
    writeFileSync(join(folder, "user/package.json"), '{ "type": "module" }');
    assert.deepEqual(
      readdirSync(join(source, transport)).filter((name) => name === "types"),
      [],
      "no types are left beside the source",
    );
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it("holds every module with its types, and nothing else", () => {
    const modules = readdirSync(join(REPOSITORY, "frontend/js/transport")).filter((name) =>
      name.endsWith(".js"),
    );
    assert.deepEqual(
      readdirSync(installed).sort(),
      [...modules, "README.md", "package.json", "types"].sort(),
    );
    const types = modules.map((name) => name.replace(/\.js$/, ".d.ts"));
    assert.deepEqual(readdirSync(join(installed, "types")).sort(), types.sort());
  });

  it("is imported by its name, and works", () => {
    const script = `import { ApiError, ConnectionManager } from "${NAME}";
      const connection = new ConnectionManager({ url: "https://api.example.org", topics: ["public.news"] });
      let cursor;
      connection.on("cursor", (told) => (cursor = told.cursor));
      connection.emit("cursor", { cursor: "a-1-0" });
      console.log(connection.state.state, cursor, new ApiError(503, "away").status);`;
    writeFileSync(join(folder, "user/main.js"), script);
    assert.equal(passes(join(folder, "user"), process.execPath, "main.js"), "stopped a-1-0 503\n");
  });

  it("gives its users types, by which a wrong use fails", () => {
    const check = (text: string): { code: number | null; output: string } => {
      writeFileSync(join(folder, "user/main.ts"), `import { ConnectionManager } from "${NAME}";\n${text}\n`);
      return run(
        join(folder, "user"),
        join(REPOSITORY, "node_modules/.bin/tsc"),
        ..."--strict --noEmit --ignoreConfig --module nodenext --target es2024 --lib es2024,dom main.ts".split(
          " ",
        ),
      );
    };
    const right = `const connection = new ConnectionManager({ url: "https://api.example.org" });
      connection.on("event", ({ id, isLate }) => console.log(id.length, isLate === true));
      connection.on("state", ({ state }) => state === "live");`;
    const { code, output } = check(right);
    assert.equal(code, 0, output);
    const wrong = check(`new ConnectionManager().on("evnt", () => undefined);`);
    assert.match(wrong.output, /"evnt"/);
    assert.notEqual(wrong.code, 0);
  });
});
