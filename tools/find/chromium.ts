/**
 * Browsers of the Chromium family: from PATH, else Debian's packages. Only the tests need them. The headless shell draws pages as the
 * whole browser does, without windows of its own, for far less work; it shows no notifications.
 */
import { readFileSync } from "node:fs";
import { aptInstall, hasApt, isOffered, refreshLists } from "../host/apt.ts";
import { ToolchainError, type PartStatus, type ToolchainContext } from "../host/part.ts";
import { findOnPath } from "../host/path.mjs";
import { run } from "../host/run.ts";
import { findVersion } from "../host/versions.ts";

interface Program {
  /** Its package in Debian. */
  readonly name: string;
  readonly onPath: readonly string[];
  /** The variable that names another one. */
  readonly variable: string;
}

const wholeBrowser: Program = {
  name: "chromium",
  onPath: ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"],
  variable: "OMNIAI_CHROMIUM",
};
const headlessShell: Program = {
  name: "chromium-headless-shell",
  onPath: ["chromium-headless-shell", "chrome-headless-shell"],
  variable: "OMNIAI_HEADLESS_SHELL",
};
const HOW = `Install Chromium or Google Chrome and put it on PATH, or name it in ${wholeBrowser.variable}.`;

async function inspect({ name, onPath, variable }: Program, context: ToolchainContext): Promise<PartStatus> {
  const named = context.env[variable];
  const found = named ? [named] : onPath.flatMap((one) => findOnPath(one, context.env));
  for (const location of found) {
    // Ubuntu's program of this name is a script that asks for a snap, and has no version.
    const { code, stdout } = await run(location, ["--version"], { env: context.env, timeoutMs: 10_000 });
    const version = code === 0 ? findVersion(stdout) : undefined;
    if (version) return { name, way: "path", location, version };
  }
  return { name, way: "missing", remedy: HOW };
}

const mayInstall = (context: ToolchainContext): boolean =>
  context.install &&
  process.getuid?.() === 0 &&
  hasApt(context.env) &&
  /^ID=debian$/m.test(readFileSync("/etc/os-release", "utf8"));

/** @returns its path; undefined where it is neither here nor can be installed */
async function find(program: Program, context: ToolchainContext): Promise<string | undefined> {
  const { location } = await inspect(program, context);
  if (location !== undefined || !mayInstall(context)) return location;
  await refreshLists(context, program.name);
  if (!(await isOffered(program.name, context.env))) return undefined;
  await aptInstall(
    context,
    [program.name, "fonts-dejavu-core"],
    `${program.name}, for the tests of the page`,
  );
  return (await inspect(program, context)).location;
}

/**
 * @returns the variables that name both to the tests; without a headless shell the whole browser is used for all of them.
 * @throws ToolchainError where there is no whole browser, and none can be installed
 */
export async function ensureBrowsers(context: ToolchainContext): Promise<Record<string, string>> {
  const whole = await find(wholeBrowser, context);
  if (whole === undefined)
    throw new ToolchainError(
      mayInstall(context)
        ? "Chromium is still missing after the installation."
        : "Chromium is missing, and can be installed from here only by root on Debian.",
      HOW,
    );
  const shell = await find(headlessShell, context);
  return {
    [wholeBrowser.variable]: whole,
    ...(shell === undefined ? {} : { [headlessShell.variable]: shell }),
  };
}
