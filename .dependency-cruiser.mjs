/**
 * Which room may import which; `npm run lint` fails on an import circle and on an import that goes up. The picture of it
 * is in docs/architecture.md. Type imports count as imports.
 */

/** Every room of the house. */
const ROOMS = ["bench", "frontend", "infra", "ops", "policies", "service", "test", "tools"];

/** Test code of a room: it may look at every other room. The test runner in tools/test is such code, too. */
const TESTS = "(^|/)test/";

/** Matches all files of all rooms but these. */
const outside = (...allowed) => `^(?!(${allowed.join("|")})/)(${ROOMS.join("|")})/`;

/** The code in `from` may import from itself and from the folders in `allowed`. */
const mayImport = (from, allowed, comment) => ({
  name: `${from}-imports`,
  comment,
  severity: "error",
  from: { path: `^${from}/`, pathNot: TESTS },
  to: { path: outside(from, ...allowed) },
});

const UPWARD = [
  mayImport("tools", [], "tools/ is at the bottom: it imports no other room."),
  {
    name: "tools-host-imports",
    comment: "tools/host/ is what the rest of tools/ stands on: it imports nothing of it.",
    severity: "error",
    from: { path: "^tools/host/", pathNot: TESTS },
    to: { path: "^tools/(?!host/)" },
  },
  {
    name: "tools-build-imports",
    comment: "tools/build/ makes what tools/find/ could not find: it imports tools/host/ only.",
    severity: "error",
    from: { path: "^tools/build/", pathNot: TESTS },
    to: { path: "^tools/(?!host/|build/)" },
  },
  mayImport(
    "infra",
    ["frontend/publish"],
    "infra/ is what Pulumi runs: it imports no other room but what says which files the page has.",
  ),
  mayImport("frontend", [], "frontend/ is what a browser loads: it imports no other room."),
  mayImport("policies", ["infra"], "policies/ imports infra/ only."),
  mayImport(
    "ops",
    ["infra", "tools", "frontend/publish"],
    "ops/ imports infra/, tools/ and what says which files the page has.",
  ),
  {
    name: "ops-terminal-imports",
    comment: "ops/terminal/ is at the bottom of ops/: it knows no stack, no engine and no command.",
    severity: "error",
    from: { path: "^ops/terminal/" },
    to: { path: "^ops/(engine|stack|commands)/" },
  },
  {
    name: "ops-engine-imports",
    comment: "ops/engine/ only looks at an engine: it knows no stack's state and no command.",
    severity: "error",
    from: { path: "^ops/engine/" },
    to: { path: "^ops/(stack|commands)/" },
  },
  {
    name: "ops-stack-imports",
    comment: "ops/stack/ is what commands share, so it imports none of them.",
    severity: "error",
    from: { path: "^ops/stack/" },
    to: { path: "^ops/commands/" },
  },
  mayImport(
    "bench",
    ["ops", "infra", "tools", "test/support"],
    "bench/ imports ops/, infra/, tools/ and what it shares with the tests, test/support/.",
  ),
  mayImport(
    "service",
    ["tools/host", "frontend/publish"],
    "service/ stands alone: its image has no other room. Only service/dev, which is not in the image, may use others.",
  ),
  {
    name: "service-image-imports",
    comment: "The service's image contains no other room, so what goes into it can import none.",
    severity: "error",
    from: { path: "^service/", pathNot: [TESTS, "^service/dev/"] },
    to: { path: outside("service") },
  },
  {
    name: "service-platform-imports",
    comment: "service/src/platform is what the features share, so it imports none of them.",
    severity: "error",
    from: { path: "^service/src/platform/" },
    to: { path: "^service/src/(?!platform/)" },
  },
  {
    name: "test-support-imports",
    comment: "bench/ and test/ stand on test/support/, so it imports neither.",
    severity: "error",
    from: { path: "^test/support/" },
    to: { path: ["^bench/", "^test/(?!support/)"] },
  },
  {
    name: "no-test-code",
    comment: "Only tests import test code. bench/ also uses the preparation of the test runner.",
    severity: "error",
    from: { path: `^(${ROOMS.join("|")})/`, pathNot: TESTS },
    to: { path: TESTS, pathNot: ["^test/support/", "^tools/test/prepare\\.ts$"] },
  },
];

export default {
  forbidden: [
    {
      name: "no-circle",
      comment:
        "Neither of two files that import each other can be understood alone: move what both need into a third.",
      severity: "error",
      from: {},
      to: { circular: true },
    },
    {
      name: "no-circle-of-service-folders",
      comment:
        "Two features, or two layers of a feature, that import each other are one: move what both need into a third.",
      severity: "error",
      scope: "folder",
      from: { path: "^service/src" },
      to: { circular: true },
    },
    ...UPWARD,
  ],
  options: {
    tsPreCompilationDeps: true,
    doNotFollow: { path: "node_modules" },
    // .state holds staged copies of the service.
    exclude: { path: "(^|/)(node_modules|\\.state)/" },
  },
};
