/** Installs packages of the machine's own distribution, and says so before. */
import { existsSync, readFileSync } from "node:fs";
import { ToolchainError, type ToolchainContext } from "./part.ts";
import { findProgram, systemPath } from "./path.mjs";
import { type RunResult, indent, run } from "./run.ts";

/** True on Debian, on Ubuntu and on distributions made from them. */
export function hasApt(env: NodeJS.ProcessEnv, osRelease = "/etc/os-release"): boolean {
  return (
    existsSync(osRelease) &&
    isDebianLike(readFileSync(osRelease, "utf8")) &&
    findProgram("apt-get", env) !== undefined
  );
}

export function isDebianLike(osRelease: string): boolean {
  const family = [...osRelease.matchAll(/^(?:ID|ID_LIKE)="?([^"\n]*)"?$/gm)].flatMap((match) =>
    (match[1] ?? "").split(" "),
  );
  return family.includes("debian") || family.includes("ubuntu");
}

/** True when apt's lists offer the package. */
export async function isOffered(name: string, env: NodeJS.ProcessEnv): Promise<boolean> {
  const answer = await run("apt-cache", ["policy", name], { env: aptEnvironment(env) });
  const candidate = /^\s*Candidate: (.*)$/m.exec(answer.stdout)?.[1] ?? "(none)";
  return candidate !== "(none)";
}

/** Refreshes apt's lists where they do not offer the package. */
export async function refreshLists(context: ToolchainContext, name: string): Promise<void> {
  if (await isOffered(name, context.env)) return;
  await update(context);
}

/** Installs packages. The caller has checked that this process is root and may install. */
export async function aptInstall(
  context: ToolchainContext,
  packages: readonly string[],
  what: string,
): Promise<void> {
  const command = ["install", "-y", "--no-install-recommends", ...packages];
  const once = (): Promise<RunResult> =>
    context.report.step(`Installing ${what}: apt-get ${command.join(" ")}`, (progress) =>
      apt(context, command, progress),
    );
  let result = await once();
  if (result.code !== 0) {
    // Lists that are some days old may name files that the mirror no longer has.
    await update(context);
    result = await once();
  }
  if (result.code === 0) return;
  throw new ToolchainError(
    `${what} could not be installed (apt-get ${command.join(" ")}):\n${indent(result.tail)}`,
    `Correct what these lines name, or install ${packages.join(", ")} by hand, and run this again.`,
  );
}

async function update(context: ToolchainContext): Promise<void> {
  await context.report.step("Refreshing the package lists: apt-get update", (progress) =>
    apt(context, ["update"], progress),
  );
}

async function apt(
  context: ToolchainContext,
  args: readonly string[],
  progress: (line: string) => void,
): Promise<RunResult> {
  // Another apt on this machine may hold the lock for a while. apt tries again when a mirror stops answering: its default
  // timeout is minutes.
  const options = ["DPkg::Lock::Timeout=120", "Acquire::http::Timeout=20", "Acquire::Retries=3"];
  return await run("apt-get", ["-q", ...options.flatMap((option) => ["-o", option]), ...args], {
    env: aptEnvironment(context.env),
    onLine: progress,
  });
}

function aptEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return { ...env, PATH: systemPath(env), DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C.UTF-8" };
}
