/**
 * The program declares the same wherever its checkout lies and whoever runs it. Otherwise a laptop and a runner would replace
 * each other's containers in turn.
 */
import { strict as assert } from "node:assert";
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { ownerValues, stackFile } from "./support/stack-file.ts";
import { SECRETS } from "./support/tunnel-config.ts";

const REPOSITORY = join(import.meta.dirname, "../..");
const PARTS = ["infra", "service", "frontend", "package.json", "package-lock.json", "Pulumi.yaml"];
const STACKS = ["dev", "staging", "prod"] as const;

/** What the program declares for each stack, recorded by the checkout itself. */
const RECORD = `
  const { recordAnew } = await import(process.argv[1]);
  const all = {};
  for (const [stack, values] of JSON.parse(process.argv[2])) all[stack] = (await recordAnew(stack, values, JSON.parse(process.argv[3]))).resources;
  process.stdout.write(JSON.stringify(all));
`;

const remote = {
  dockerHost: "ssh://deploy@host.example",
  hostPrepare: true,
  hostAddress: "host.example",
  hostUser: "deploy",
  hostKey: "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTY=",
};

interface Resource {
  readonly name: string;
  readonly type: string;
  readonly inputs: object;
}

describe("the inputs of every resource", function () {
  this.timeout(180_000);
  let folder: string;
  let laptop: string;
  let mine: Record<string, Resource[]>;
  before(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), "omniai-two-")));
    laptop = checkout("laptop");
    mine = declared(laptop, "ada");
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  function checkout(...path: string[]): string {
    const root = join(folder, ...path);
    mkdirSync(root, { recursive: true });
    for (const part of PARTS) cpSync(join(REPOSITORY, part), join(root, part), { recursive: true });
    symlinkSync(join(REPOSITORY, "node_modules"), join(root, "node_modules"));
    return root;
  }

  function declared(root: string, user: string): Record<string, Resource[]> {
    const stacks = STACKS.map((stack) => [
      stack,
      { ...stackFile(stack), ...ownerValues[stack], ...(stack === "prod" ? remote : {}) },
    ]);
    const args = [
      join(root, "infra/test/support/recorder.ts"),
      JSON.stringify(stacks),
      JSON.stringify(SECRETS),
    ];
    const text = execFileSync(process.execPath, ["--input-type=module", "--eval", RECORD, ...args], {
      cwd: root,
      encoding: "utf8",
      env: {
        NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"],
        PATH: process.env["PATH"],
        HOME: join(folder, user),
        USER: user,
        TMPDIR: join(folder, user),
      },
      maxBuffer: 2 ** 26,
    });
    return JSON.parse(text) as Record<string, Resource[]>;
  }

  it("are the same from two folders, of two people", () => {
    const theirs = declared(checkout("runner", "_work", "project"), "ci");
    for (const stack of STACKS) {
      assert.ok((mine[stack]?.length ?? 0) >= 40, `${stack} declares ${mine[stack]?.length} resources`);
      assert.deepEqual(mine[stack], theirs[stack]);
    }
    assert.ok(!JSON.stringify(mine).includes(folder), "an input holds a path of the checkout");
  });

  it("name files from the folder in which the engine starts plugins", () => {
    const main = (parse(readFileSync(join(REPOSITORY, "Pulumi.yaml"), "utf8")) as { main: string }).main;
    const named = (mine["dev"] ?? []).flatMap(({ inputs }) => {
      const { build, environment } = inputs as {
        build?: { context: string; dockerfile: string };
        environment?: { SCRIPT?: string };
      };
      const script = environment?.SCRIPT?.endsWith(".ts") ? [environment.SCRIPT] : [];
      return [...(build ? [join(build.context, build.dockerfile)] : []), ...script];
    });
    assert.equal(named.length, 2, named.join(", "));
    for (const path of named) assert.ok(readFileSync(join(laptop, main, path)).length > 0, path);
  });
});
