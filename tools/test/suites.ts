/** What `npm test` runs, in order. */

export interface Suite {
  readonly name: string;
  /** A program of node_modules/.bin and its arguments. */
  readonly command: readonly string[];
  /** True where the program counts its tests through the reporter; otherwise it counts as one. */
  readonly counted: boolean;
  /** What it needs to be here first: a browser comes with the engine and its images. */
  readonly needs: "nothing" | "engine" | "browser" | "stack";
}

const mocha = (name: string, pattern: string, needs: Suite["needs"], timeoutMs: number): Suite => ({
  name,
  command: ["mocha", "--reporter", "tools/test/reporter.cjs", "--timeout", String(timeoutMs), pattern],
  counted: true,
  needs,
});

export const suites: readonly Suite[] = [
  { name: "types", command: ["tsc", "--project", "."], counted: false, needs: "nothing" },
  { name: "types-frontend", command: ["tsc", "--project", "frontend"], counted: false, needs: "nothing" },
  { name: "eslint", command: ["eslint", "."], counted: false, needs: "nothing" },
  {
    name: "prettier",
    command: ["prettier", "--check", "--log-level", "warn", "."],
    counted: false,
    needs: "nothing",
  },
  {
    name: "imports",
    command: ["depcruise", ".", "--ignore-known"],
    counted: false,
    needs: "nothing",
  },
  mocha("scripts", "tools/test/scripts.lint.ts", "nothing", 20_000),
  mocha("infra", "infra/test/**/*.test.ts", "nothing", 20_000),
  mocha("bench", "bench/test/**/*.test.ts", "nothing", 20_000),
  mocha("policies", "policies/test/**/*.test.ts", "nothing", 20_000),
  mocha("ops", "ops/test/**/*.test.ts", "stack", 120_000),
  mocha("tools", "tools/**/test/**/*.test.ts", "stack", 300_000),
  mocha("service", "service/test/**/*.test.ts", "engine", 60_000),
  mocha("api", "test/api/**/*.test.ts", "engine", 400_000),
  mocha("frontend", "test/frontend/**/*.test.ts", "browser", 60_000),
  mocha("e2e", "test/e2e/**/*.test.ts", "stack", 300_000),
];
