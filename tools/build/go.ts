/** Go: whether it is here, and how it builds the parts. */
import { mkdir, statfs } from "node:fs/promises";
import { ToolchainError, type PartStatus, type ToolchainContext } from "../host/part.ts";
import { findOnPath } from "../host/path.mjs";
import { indent, run } from "../host/run.ts";
import { compareVersions, findVersion } from "../host/versions.ts";

/** Since this version Go itself fetches the newer Go that a module needs. */
const MINIMUM_GO = "1.21.0";
const HOW_TO_GET_GO =
  "Install Go 1.25 or newer and put it on PATH (on macOS `brew install go`; else the archive of the Go project), " +
  "or run where the official Pulumi CLI can be downloaded.";

/** Looks for Go, which is needed only when something has to be built. */
export async function inspectGo(context: ToolchainContext): Promise<PartStatus> {
  const [location] = findOnPath("go", context.env);
  if (!location) return { name: "go", way: "missing", remedy: HOW_TO_GET_GO };
  const { stdout } = await run(location, ["env", "GOVERSION"], { env: context.env, timeoutMs: 5_000 });
  const version = findVersion(stdout);
  if (!version || compareVersions(version, MINIMUM_GO) < 0) {
    const found = version ?? "of an unknown version, older than 1.21";
    return { name: "go", version, way: "missing", location, remedy: `Go here is ${found}. ${HOW_TO_GET_GO}` };
  }
  return { name: "go", version, way: "path", location };
}

export interface GoBuild {
  /** The part's name, for messages. */
  readonly part: string;
  /** The folder with go.mod. */
  readonly module: string;
  /** What to build: an import path, or a folder of the module. */
  readonly package: string;
  readonly output: string;
  /** Values for the linker's -X. */
  readonly variables?: Readonly<Record<string, string>>;
}

/** Builds one program, as small and as independent of the machine as possible. */
export async function goBuild(
  context: ToolchainContext,
  build: GoBuild,
  progress: (line: string) => void,
): Promise<void> {
  const variables = Object.entries(build.variables ?? {}).map(([name, value]) => `-X ${name}=${value}`);
  const linker = ["-s", "-w", ...variables].join(" ");
  const args = [
    "build",
    "-v",
    "-trimpath",
    "-buildvcs=false",
    "-ldflags",
    linker,
    "-o",
    build.output,
    build.package,
  ];
  await runGo(context, build.part, build.module, args, progress);
}

/** Runs a Go command in a module. @throws ToolchainError with the end of the output */
export async function runGo(
  context: ToolchainContext,
  part: string,
  module: string,
  args: readonly string[],
  progress: (line: string) => void,
): Promise<void> {
  const go = await inspectGo(context);
  if (go.way === "missing" || !go.location) {
    throw new ToolchainError(`${part} has to be built here, and Go is missing.`, go.remedy ?? HOW_TO_GET_GO);
  }
  await requireSpace(context, part);
  let compiled = 0;
  let isDiskFull = false;
  const onLine = (line: string): void => {
    isDiskFull ||= line.includes("no space left on device");
    progress(line.startsWith("go: ") ? line.slice(4) : `${++compiled} packages compiled, ${line}`);
  };
  const { code, tail } = await run(go.location, args, {
    cwd: module,
    env: goEnvironment(context.env),
    onLine,
  });
  if (code === 0) return;
  const remedy = isDiskFull
    ? "Free some 8 GiB, or set OMNIAI_CACHE, GOCACHE, GOMODCACHE and TMPDIR to a larger disk, and run it again."
    : "Look at the lines above. If a module could not be fetched, check that the Go module proxy can be reached " +
      "(`go env GOPROXY`), and run the command again: it continues where it stopped.";
  throw new ToolchainError(
    `${part} could not be built: go ${args[0] ?? ""} ended with ${code ?? "a signal"} in ${module}.\n${indent(tail)}`,
    remedy,
  );
}

/** The user's Go settings, without those that would change the result. Where modules come from stays the user's choice. */
function goEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return { ...env, CGO_ENABLED: "0", GO111MODULE: "on", GOFLAGS: "", GOWORK: "off", GOOS: "", GOARCH: "" };
}

/** A build needs this much also when Go has compiled most of it before. Without that, Go's own caches take twice as much. */
const NEEDED_BYTES = 3 * 1024 ** 3;

async function requireSpace(context: ToolchainContext, part: string): Promise<void> {
  await mkdir(context.cacheDir, { recursive: true });
  const { bavail, bsize } = await statfs(context.cacheDir);
  if (bavail * bsize >= NEEDED_BYTES) return;
  const free = ((bavail * bsize) / 1024 ** 3).toFixed(1);
  throw new ToolchainError(
    `${part} has to be built here, and only ${free} GiB are free at ${context.cacheDir}.`,
    `Free ${NEEDED_BYTES / 1024 ** 3} GiB, or set OMNIAI_CACHE (and Go's GOCACHE and GOMODCACHE) to a larger disk.`,
  );
}
