/** The workflows: what no run here can show is at least checked for what makes workflows unsafe. */
import { strict as assert } from "node:assert";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { parse } from "yaml";
import { inspectGo } from "../build/go.ts";
import { actionlintPart } from "../find/actionlint.ts";
import { pythonWith, requirements } from "../find/venv.ts";
import { createContext, REPOSITORY_ROOT } from "../host/context.ts";

interface Job {
  readonly uses?: string;
  readonly needs?: string | readonly string[];
  readonly outputs?: Readonly<Record<string, string>>;
  readonly permissions?: Readonly<Record<string, string>>;
  readonly concurrency?: unknown;
  readonly environment?: unknown;
  readonly if?: string;
  readonly "timeout-minutes"?: number;
  readonly steps?: readonly Step[];
}
interface Step {
  readonly id?: string;
  readonly if?: string;
  readonly "timeout-minutes"?: number;
  readonly uses?: string;
  readonly run?: string;
  readonly shell?: string;
  readonly with?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string>>;
}
interface Workflow {
  readonly on: unknown;
  readonly permissions?: unknown;
  readonly concurrency?: unknown;
  readonly jobs: Readonly<Record<string, Job>>;
}

const GITHUB = join(REPOSITORY_ROOT, ".github");
const read = (path: string): string => readFileSync(join(GITHUB, path), "utf8");
const FILES = readdirSync(join(GITHUB, "workflows")).map((name) => `workflows/${name}`);
const ACTIONS = readdirSync(join(GITHUB, "actions")).map((name) => `actions/${name}/action.yml`);
const workflow = (path: string): Workflow => parse(read(path)) as Workflow;

/** Pure: the `uses:` of a file that could change under us. */
const loose = (text: string): string[] =>
  [...text.matchAll(/^\s*(?:- )?uses:\s*(.+)$/gm)]
    .map(([, what]) => what ?? "")
    .filter(
      (what) => !what.startsWith("./") && !/^[\w-]+\/[\w/.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(what),
    );

describe("the workflows", () => {
  it("are those of the design", () => {
    assert.deepEqual(
      FILES.sort(),
      ["ci", "deploy", "drift", "drill", "nightly", "preview"].map((name) => `workflows/${name}.yml`),
    );
  });

  it("pin every action by commit, and say which version that is", () => {
    for (const path of [...FILES, ...ACTIONS]) assert.deepEqual(loose(read(path)), [], path);
    assert.deepEqual(
      loose(
        `- uses: a/b@v4\n  uses: a/b@${"0".repeat(40)}\n- uses: a/b@main # v1.0.0\n- uses: a/b/c@${"0".repeat(40)} # v1.2.3\n`,
      ).length,
      3,
      "the check itself finds what is loose",
    );
  });

  it("name one commit for one action everywhere", () => {
    const pins = new Map<string, Set<string>>();
    for (const path of [...FILES, ...ACTIONS]) {
      for (const [, name = "", commit = ""] of read(path).matchAll(/uses:\s*([\w/.-]+)@(\w{40})/g)) {
        pins.set(name, (pins.get(name) ?? new Set()).add(commit));
      }
    }
    for (const [name, commits] of pins) assert.equal(commits.size, 1, name);
  });

  for (const path of FILES) {
    describe(path, () => {
      const { on, permissions, concurrency, jobs } = workflow(path);

      it("has no right that a job does not name", () => {
        assert.deepEqual(permissions, {});
        for (const [name, job] of Object.entries(jobs)) {
          assert.ok(Object.keys(job.permissions ?? {}).length > 0, name);
          assert.notEqual(job.permissions?.["contents"], "write", name);
        }
      });

      it("never runs a stranger's code with this repository's secrets", () => {
        const events = typeof on === "string" ? [on] : Array.isArray(on) ? on : Object.keys(on as object);
        assert.ok(!events.includes("pull_request_target") && !events.includes("workflow_run"));
        if (!events.includes("pull_request")) return;
        for (const [name, job] of Object.entries(jobs)) {
          const secrets = /secrets\./.test(JSON.stringify(job));
          if (secrets)
            assert.match(job.if ?? "", /head\.repo\.full_name == github\.repository/, `${name} has secrets`);
        }
      });

      it("runs one at a time where it matters, and ends", () => {
        for (const [name, job] of Object.entries(jobs)) {
          if (job.uses !== undefined) continue;
          assert.ok(concurrency !== undefined || job.concurrency !== undefined, `${name} has a group`);
          assert.ok((job["timeout-minutes"] ?? 0) > 0, `${name} has a time limit`);
        }
      });

      it("keeps the token out of the checkout, and secrets out of jobs without an environment", () => {
        for (const [name, job] of Object.entries(jobs)) {
          for (const step of job.steps ?? []) {
            if (step.uses?.startsWith("actions/checkout@"))
              assert.equal(step.with?.["persist-credentials"], false, name);
          }
          if (/secrets\./.test(JSON.stringify(job))) assert.ok(job.environment, name);
        }
      });

      it("puts nothing that others write into a script", () => {
        for (const step of Object.values(jobs).flatMap((job) => job.steps ?? [])) {
          assert.doesNotMatch(step.run ?? "", /\$\{\{\s*(github\.(event|head_ref)|inputs|secrets|vars)/);
        }
      });
    });
  }

  it("deploy and preview with the Pulumi CLI of the lockfile's SDK", () => {
    const { dependencies } = JSON.parse(
      readFileSync(join(REPOSITORY_ROOT, "infra/package.json"), "utf8"),
    ) as {
      dependencies: Record<string, string>;
    };
    const versions = [...FILES, ...ACTIONS].flatMap((path) =>
      [...read(path).matchAll(/pulumi-version: (\S+)/g)].map(([, version]) => version),
    );
    assert.ok(versions.length >= 2);
    assert.deepEqual([...new Set(versions)], [dependencies["@pulumi/pulumi"]]);
  });

  it("run on the Node.js of the lockfile, and write into no environment of later steps", () => {
    const text = read("actions/stack/action.yml");
    assert.doesNotMatch(text, /GITHUB_(ENV|PATH)/);
    const [, key = ""] = /jq -r '\.packages\["([^"]+)"\]\.version' package-lock\.json/.exec(text) ?? [];
    const { packages } = JSON.parse(readFileSync(join(REPOSITORY_ROOT, "package-lock.json"), "utf8")) as {
      packages: Record<string, { version?: string }>;
    };
    assert.equal(`v${packages[key]?.version}`, process.version);
  });

  it("give the agent that has the key to each step that reaches a host", () => {
    const reaching = FILES.flatMap((path) =>
      Object.values(workflow(path).jobs)
        .flatMap(({ steps = [] }) => steps)
        .filter(({ env }) => env?.["PULUMI_ACCESS_TOKEN"] !== undefined)
        .map(({ env, run, uses }) => ({ path, env, what: run ?? uses })),
    );
    assert.ok(reaching.length >= 4);
    for (const { path, env, what } of reaching) {
      if (path === "workflows/preview.yml") continue;
      // drift.yml runs on main with the action of the last release, and an earlier one sets the variable for all steps.
      const earlier = path === "workflows/drift.yml" ? " || env.SSH_AUTH_SOCK" : "";
      const wanted = `\${{ steps.stack.outputs.ssh-auth-sock${earlier} }}`;
      assert.equal(env?.["SSH_AUTH_SOCK"], wanted, what);
    }
  });

  it("preview without a key to any host, and look for drift in environments of their own", () => {
    const preview = read("workflows/preview.yml");
    assert.doesNotMatch(preview, /ssh-key|SSH_KEY|SSH_AUTH_SOCK|known-hosts/);
    assert.equal(
      workflow("workflows/preview.yml").jobs["preview"]?.environment,
      "${{ matrix.stack }}-preview",
    );
    assert.equal(workflow("workflows/drift.yml").jobs["drift"]?.environment, "${{ matrix.stack }}-drift");
    for (const path of FILES.filter((name) => name !== "workflows/preview.yml"))
      assert.doesNotMatch(read(path), /-preview/, `${path} takes what only a preview may have`);
  });

  it("preview with the policies as the program that the CLI starts", () => {
    const step = Object.values(workflow("workflows/preview.yml").jobs)
      .flatMap(({ steps }) => steps ?? [])
      .find(({ with: inputs }) => inputs?.["command"] === "preview");
    const [, pack = ""] =
      /^\$\{\{ github\.workspace \}\}\/(.+)$/.exec(String(step?.with?.["policyPacks"])) ??
      assert.fail("the pack's path is whole, wherever the CLI is started");
    const { mode } = statSync(join(REPOSITORY_ROOT, pack));
    assert.equal(mode & 0o111, 0o111, `${pack} can be started`);
    assert.match(readFileSync(join(REPOSITORY_ROOT, pack), "utf8"), /^#!/);
  });

  it("drill with the operator's key and the bucket alone: nothing of the host, the state or the clouds", () => {
    const text = read("workflows/drill.yml");
    assert.equal(workflow("workflows/drill.yml").jobs["drill"]?.environment, "${{ matrix.stack }}-drill");
    assert.doesNotMatch(text, /PULUMI|SSH|CLOUDFLARE|PAGES_TOKEN|STATE_/);
    const named = [...text.matchAll(/secrets\.(\w+)/g)].map(([, name]) => name).sort();
    assert.deepEqual(named, ["OFFSITE_KEY", "OFFSITE_SECRET_KEY"]);
    assert.match(text, /OMNIAI_OFFSITE_KEY: \$\{\{ secrets\.OFFSITE_KEY \}\}/);
  });

  const stepsOf = (path: string, job: string): readonly Step[] => workflow(path).jobs[job]?.steps ?? [];
  const indexOf = (steps: readonly Step[], what: RegExp): number =>
    steps.findIndex(({ run = "", uses = "" }) => what.test(`${run} ${uses}`));

  it("hand the tokens of the clouds over from their environment, so that no file of a stack has to hold one", () => {
    const runs: readonly [path: string, job: string, what: RegExp][] = [
      ["workflows/preview.yml", "preview", /^ pulumi\/actions@/],
      ["workflows/drift.yml", "drift", /npm run drift/],
      ["workflows/deploy.yml", "deploy", /npm run up/],
    ];
    for (const [path, job, what] of runs) {
      const steps = stepsOf(path, job);
      const { env = {} } = steps[indexOf(steps, what)] ?? assert.fail(path);
      assert.equal(env["CLOUDFLARE_API_TOKEN"], "${{ secrets.CLOUDFLARE_API_TOKEN }}", path);
      // Not the workflow's own token, which may do nothing to the page's repository.
      assert.equal(env["GITHUB_TOKEN"], "${{ secrets.PAGES_TOKEN }}", path);
      assert.equal(env["PULUMI_CONFIG_PASSPHRASE"], "${{ secrets.PULUMI_CONFIG_PASSPHRASE }}", path);
    }
  });

  it("deploy only what is on main, and ask for the approval only then", () => {
    const { jobs } = workflow("workflows/deploy.yml");
    assert.deepEqual(jobs["deploy"]?.needs, ["ci", "source"]);
    assert.equal(jobs["source"]?.environment, undefined);
    const steps = stepsOf("workflows/deploy.yml", "source");
    assert.equal(steps[0]?.with?.["fetch-depth"], 0, "a shallow clone knows no ancestors");
    const { run = "" } = steps[1] ?? {};
    const folder = mkdtempSync(join(tmpdir(), "omniai-source-"));
    try {
      const git = (...args: string[]): string => {
        const identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"];
        const { status, stdout, stderr } = spawnSync("git", [...identity, ...args], {
          cwd: folder,
          encoding: "utf8",
        });
        assert.equal(status, 0, stderr);
        return stdout.trim();
      };
      const commit = (text: string): string => {
        git("commit", "--quiet", "--allow-empty", "-m", text);
        return git("rev-parse", "HEAD");
      };
      git("init", "--quiet", "--initial-branch", "main");
      const released = commit("released");
      commit("newer");
      git("update-ref", "refs/remotes/origin/main", "HEAD");
      const unmerged = commit("not merged");
      const check = (sha: string) =>
        spawnSync("bash", ["-e", "-c", run], {
          cwd: folder,
          encoding: "utf8",
          env: { PATH: process.env["PATH"], GITHUB_SHA: sha },
        });
      assert.equal(check(released).status, 0);
      assert.notEqual(check(unmerged).status, 0);
      assert.match(check(unmerged).stdout, /::error::.* is not on main/);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it("publish the page only from what was deployed to prod, and leave it alone where the program does", () => {
    for (const path of FILES.filter((name) => name !== "workflows/deploy.yml"))
      assert.doesNotMatch(read(path), /deploy-pages/, path);
    const { jobs } = workflow("workflows/deploy.yml");
    assert.equal(jobs["page"]?.needs, "deploy");
    assert.equal(jobs["page"].if, "needs.deploy.outputs.page == 'workflow'");
    assert.equal(jobs["deploy"]?.outputs?.["page"], "${{ steps.page.outputs.source }}");
    const steps = stepsOf("workflows/deploy.yml", "deploy");
    const [up, source, build, upload] = [
      /npm run up/,
      /page-source/,
      /npm run pages/,
      /upload-pages-artifact/,
    ].map((what) => indexOf(steps, what));
    assert.deepEqual(
      [up, source, build, upload],
      [up, source, build, upload].toSorted((a = -1, b = -1) => a - b),
    );
    assert.ok((up ?? -1) >= 0);
    assert.equal(steps[source ?? -1]?.id, "page");
    assert.equal(
      steps[source ?? -1]?.if,
      "github.event_name == 'release'",
      "a merge to staging publishes none",
    );
    for (const index of [build, upload])
      assert.equal(steps[index ?? -1]?.if, "steps.page.outputs.source == 'workflow'");
    const [, script = ""] = /node (\S+)/.exec(steps[source ?? -1]?.run ?? "") ?? [];
    const { status, stdout } = spawnSync(process.execPath, [script, "prod"], {
      cwd: REPOSITORY_ROOT,
      encoding: "utf8",
    });
    assert.equal(status, 0);
    assert.match(stdout, /^source=(none|branch|workflow)\n$/);
  });

  describe("the look for drift", () => {
    const steps = stepsOf("workflows/drift.yml", "drift");
    const at = (what: RegExp): Step => steps[indexOf(steps, what)] ?? assert.fail(String(what));

    it("compares prod with the last release, and staging with main", () => {
      const { run = "", id } = at(/gh release list/);
      assert.equal(id, "version");
      assert.equal(at(/actions\/checkout@/).with?.["ref"], "${{ steps.version.outputs.ref }}");
      const folder = mkdtempSync(join(tmpdir(), "omniai-drift-version-"));
      try {
        writeFileSync(join(folder, "gh"), '#!/bin/sh\nprintf "%s" "$LATEST"\nexit "${FAILS:-0}"\n');
        chmodSync(join(folder, "gh"), 0o755);
        const version = (stack: string, more: Record<string, string>) => {
          writeFileSync(join(folder, "output"), "");
          const { status } = spawnSync("bash", ["--noprofile", "--norc", "-eo", "pipefail", "-c", run], {
            encoding: "utf8",
            env: {
              PATH: `${folder}${delimiter}${process.env["PATH"] ?? ""}`,
              STACK: stack,
              GITHUB_SHA: "0123abc",
              GITHUB_REPOSITORY: "owner/name",
              GITHUB_OUTPUT: join(folder, "output"),
              ...more,
            },
          });
          return [status, readFileSync(join(folder, "output"), "utf8")];
        };
        assert.deepEqual(version("prod", { LATEST: "refs/tags/v1" }), [0, "ref=refs/tags/v1\n"]);
        assert.deepEqual(version("prod", { LATEST: "" }), [0, "ref=\n"]);
        assert.deepEqual(version("staging", { LATEST: "refs/tags/v1" }), [0, "ref=0123abc\n"]);
        assert.deepEqual(version("prod", { FAILS: "1" }), [1, ""], "no answer is not no release");
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
      for (const step of steps.slice(1)) assert.match(step.if ?? "", /steps\.version\.outputs\.ref != ''/);
    });

    it("opens the issue also when it ran out of time", () => {
      const limits = steps.map((step) => step["timeout-minutes"] ?? 0);
      const job = workflow("workflows/drift.yml").jobs["drift"]?.["timeout-minutes"] ?? 0;
      assert.ok((at(/npm run drift/)["timeout-minutes"] ?? 0) > 0);
      assert.ok((at(/actions\/stack/)["timeout-minutes"] ?? 0) > 0, "getting ready takes time as well");
      assert.ok(limits.reduce((sum, limit) => sum + limit) + 5 <= job, "the job outlives its steps");
      assert.match(at(/drift-issue/).if ?? "", /!cancelled\(\)/);
    });
  });

  it("call only scripts that package.json has", () => {
    const { scripts } = JSON.parse(readFileSync(join(REPOSITORY_ROOT, "package.json"), "utf8")) as {
      scripts: Record<string, string>;
    };
    const called = FILES.flatMap((path) =>
      [...read(path).matchAll(/npm run ([\w:]+)/g)].map(([, name]) => name ?? ""),
    );
    assert.ok(called.length >= 3);
    assert.deepEqual(
      called.filter((name) => scripts[name] === undefined),
      [],
    );
  });

  it("preview, and look for drift in, the stacks that have a file", () => {
    for (const path of ["workflows/preview.yml", "workflows/drift.yml", "workflows/drill.yml"]) {
      const stacks = /stack: \[(.*)\]/.exec(read(path))?.[1]?.split(", ") ?? [];
      assert.deepEqual(stacks, ["staging", "prod"], path);
      for (const stack of stacks) assert.ok(existsSync(join(REPOSITORY_ROOT, `Pulumi.${stack}.yaml`)), stack);
    }
  });

  it("satisfy actionlint", async function () {
    this.timeout(5 * 60_000); // once, to build it
    const context = createContext();
    const found = await actionlintPart.inspect(context);
    if (found.way === "missing" && (await inspectGo(context)).way === "missing") {
      console.log(`      actionlint is neither here nor can it be built. ${found.remedy}`);
      this.skip();
    }
    const program = await actionlintPart.ensure(context);
    // It looks at the shell of each step with shellcheck, where there is a python3 to bring that.
    const bin = await pythonWith(requirements.lint);
    const shellcheck = `-shellcheck=${bin === undefined ? "" : join(bin, "shellcheck")}`;
    const lint = (cwd: string, ...args: string[]) =>
      spawnSync(program, [shellcheck, "-pyflakes=", "-no-color", ...args], { cwd, encoding: "utf8" });
    const { status, stdout, stderr } = lint(REPOSITORY_ROOT, ...FILES.map((path) => join(GITHUB, path)));
    assert.equal(status, 0, stdout + stderr);
    const wrong = read("workflows/ci.yml").replace("runs-on: ubuntu-24.04", "runs-on: ${{ nothing.such }}");
    const folder = mkdtempSync(join(tmpdir(), "omniai-workflows-"));
    try {
      writeFileSync(join(folder, "wrong.yml"), wrong);
      assert.notEqual(lint(folder, join(folder, "wrong.yml")).status, 0, "it finds what is wrong");
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

/** The script that keeps the drift issue, with a `gh` that remembers what it was asked. */
describe("the drift issue", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "omniai-drift-issue-"));
    mkdirSync(join(folder, "bin"));
    writeFileSync(join(folder, "drift.txt"), "backend: pids limit 64, declared 128\n");
    const gh = `#!/bin/sh
echo "$*" >> ${folder}/asked
[ "$2" != list ] || echo "$OPEN_ISSUE"
while [ $# -gt 0 ]; do [ "$1" != --body-file ] || cat "$2" >> ${folder}/body; shift; done\n`;
    writeFileSync(join(folder, "bin/gh"), gh);
    chmodSync(join(folder, "bin/gh"), 0o755);
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const run = (outcome: string, openIssue: string): string => {
    const { status, stderr } = spawnSync(
      join(GITHUB, "drift-issue.sh"),
      [outcome, join(folder, "drift.txt")],
      {
        encoding: "utf8",
        env: {
          PATH: `${join(folder, "bin")}${delimiter}${process.env["PATH"] ?? ""}`,
          TITLE: "Drift in prod",
          OPEN_ISSUE: openIssue,
          GITHUB_SERVER_URL: "https://github.com",
          GITHUB_REPOSITORY: "owner/name",
          GITHUB_RUN_ID: "7",
        },
      },
    );
    assert.equal(status, 0, stderr);
    return readFileSync(join(folder, "asked"), "utf8");
  };

  it("is opened with what was found", () => {
    assert.match(run("failure", ""), /issue create .*--title Drift in prod/);
    assert.match(readFileSync(join(folder, "body"), "utf8"), /actions\/runs\/7[\s\S]*pids limit 64/);
  });

  it("is added to while it is open", () => {
    const asked = run("failure", "12");
    assert.match(asked, /issue comment 12/);
    assert.doesNotMatch(asked, /issue create/);
  });

  it("is closed when all is well, and left alone when there is none", () => {
    assert.match(run("success", "12"), /issue close 12/);
    rmSync(join(folder, "asked"));
    assert.doesNotMatch(run("success", ""), /issue (close|create|comment)/);
  });
});
