/** What `npm test` runs, in order: every suite, the group that it belongs to and what it needs. */

export const GROUPS = ["lint", "unit", "whole", "e2e", "nightly", "swarm", "official"] as const;
/**
 * Run only where they are named. What `official` tries is in the others already, with the plugins that this machine has. `nightly`
 * and `swarm` are run each night by .github/workflows/nightly.yml: each of their suites takes minutes and is about a part that few
 * changes touch, so that whoever waits for `npm test` need not wait for it. `swarm` has three machines, whose engines need most of
 * this one, and runs alone.
 */
export const onlyNamed: ReadonlySet<Suite["group"]> = new Set(["nightly", "swarm", "official"]);

export interface Suite {
  readonly name: string;
  /** Its name on the command line stands for all of its suites. `npm run check` runs `lint` and `unit`. */
  readonly group: (typeof GROUPS)[number];
  /** A program of node_modules/.bin and its arguments. */
  readonly command: readonly string[];
  /** True where the program counts its tests through the reporter; otherwise it counts as one. */
  readonly counted: boolean;
  /** What has to be on the machine first; nothing where it is empty. A browser comes with the engine and its images. */
  readonly needs: readonly Need[];
}

export type Need = "engine" | "browser" | "stack" | "registry";

/** Marks, in the title of a test or of a group of tests, what needs the engine though its room's other tests do not. */
const ENGINE_TAG = "@engine";

/**
 * Removed with node_modules. A file that did not change is not looked at again, though a rule that knows types could say
 * something else of it when another file has changed: a fresh clone, as CI has, finds that.
 */
const CACHE = "node_modules/.cache/lint";
const cached = (name: string): string[] => [
  "--cache",
  "--cache-strategy",
  "content",
  "--cache-location",
  `${CACHE}/${name}`,
];

function lint(name: string, ...command: string[]): Suite {
  return { name, group: "lint", command, counted: false, needs: [] };
}

interface TestOptions {
  readonly needs?: readonly Need[];
  readonly seconds: number;
  readonly options?: readonly string[];
}

function tests(
  group: Suite["group"],
  name: string,
  pattern: string,
  { needs = [], seconds, options = [] }: TestOptions,
): Suite {
  const reporter = ["--reporter", "tools/test/reporter.cjs", "--timeout", String(seconds * 1000)];
  return { name, group, command: ["mocha", ...reporter, ...options, pattern], counted: true, needs };
}

const WITHOUT_ENGINE = ["--grep", ENGINE_TAG, "--invert"];
const WITH_ENGINE = ["--grep", ENGINE_TAG];
/** A suite of its own. */
const SWARM_OF_TOOLS = "tools/find/test/swarm.test.ts";
const WITHOUT_SWARM = ["--ignore", SWARM_OF_TOOLS];

/** One test may be several commands, and the machine may be busy with other things. */
const e2e = (file: string, group: Suite["group"] = "e2e"): Suite =>
  tests(group, `e2e-${file}`, `test/e2e/${file}.test.ts`, {
    needs: withBrowser.has(file) ? ["stack", "browser"] : ["stack"],
    seconds: 600,
  });
const withBrowser: ReadonlySet<string> = new Set(["deploy"]);

export const SUITES: readonly Suite[] = [
  // The longest first.
  lint("eslint", "eslint", ".", ...cached("eslint")),
  lint("types", "tsc", "--project", ".", "--incremental", "--tsBuildInfoFile", `${CACHE}/types.tsbuildinfo`),
  lint("types-frontend", "tsc", "--project", "frontend"),
  lint("prettier", "prettier", "--check", "--log-level", "warn", ".", ...cached("prettier")),
  lint("imports", "depcruise", "."),
  tests("lint", "scripts", "tools/test/scripts.lint.ts", { seconds: 360 }),

  tests("unit", "infra", "infra/**/*.test.ts", { seconds: 120 }),
  tests("unit", "policies", "policies/**/*.test.ts", { seconds: 120 }),
  tests("unit", "bench", "bench/**/*.test.ts", { seconds: 120 }),
  tests("unit", "ops", "ops/**/*.test.ts", { seconds: 120, options: WITHOUT_ENGINE }),
  tests("unit", "tools", "tools/**/*.test.ts", {
    seconds: 300,
    options: [...WITHOUT_SWARM, ...WITHOUT_ENGINE],
  }),
  tests("unit", "test-support", "test/support/test/**/*.test.ts", { seconds: 60 }),
  tests("unit", "service-unit", "service/test/unit/**/*.test.ts", { seconds: 60 }),

  tests("whole", "ops-engine", "ops/**/*.test.ts", { needs: ["stack"], seconds: 120, options: WITH_ENGINE }),
  tests("whole", "tools-engine", "tools/**/*.test.ts", {
    needs: ["stack"],
    seconds: 300,
    options: [...WITHOUT_SWARM, ...WITH_ENGINE],
  }),
  tests("whole", "service", "service/test/integration/**/*.test.ts", { needs: ["engine"], seconds: 120 }),
  tests("whole", "backup-room", "test/backup-room/**/*.test.ts", { needs: ["engine"], seconds: 240 }),
  // Where Pebble and certbot are neither here nor in the cache, they are built first.
  tests("whole", "acme", "test/acme/**/*.test.ts", { needs: ["engine"], seconds: 240 }),
  // Where vmalert-tool is neither here nor in the cache, it is built first.
  tests("whole", "alerts", "test/alerts/**/*.test.ts", { seconds: 600 }),
  tests("whole", "api", "test/api/**/*.test.ts", { needs: ["engine"], seconds: 400 }),
  tests("whole", "frontend", "test/frontend/**/*.test.ts", { needs: ["browser"], seconds: 180 }),

  ...[
    "deploy",
    "remote",
    "stack",
    "backup",
    "offsite",
    "external",
    "monitoring",
    "attacks",
    "memory",
    "edge",
    "edge-memory",
    "ipv6",
    "host",
    "input",
    "policy",
    "policy-command",
  ].map((file) => e2e(file)),

  tests("nightly", "tools-swarm", SWARM_OF_TOOLS, { needs: ["stack"], seconds: 300 }),
  e2e("monitoring-quiet", "nightly"),
  tests("nightly", "e2e-move", "test/e2e/move.test.ts", { needs: ["stack"], seconds: 1800 }),

  tests("swarm", "e2e-swarm", "test/e2e/swarm.test.ts", { needs: ["stack", "registry"], seconds: 600 }),
  tests("official", "official-plugins", "test/official/**/*.test.ts", { needs: ["stack"], seconds: 900 }),
];
