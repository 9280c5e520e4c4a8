/** A browser of the Chromium family: from PATH, else Debian's package. Only the tests need it. */
import { readFileSync } from "node:fs";
import { aptInstall, hasApt, isOffered, refreshLists } from "../host/apt.ts";
import { ToolchainError, type PartStatus, type ToolchainContext } from "../host/part.ts";
import { findOnPath } from "../host/path.mjs";
import { run } from "../host/run.ts";
import { findVersion } from "../host/versions.ts";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const HOW = "Install Chromium or Google Chrome and put it on PATH, or name it in OMNIAI_CHROMIUM.";

export const chromiumPart = {
  name: "chromium",

  async inspect(context: ToolchainContext): Promise<PartStatus> {
    const named = context.env["OMNIAI_CHROMIUM"];
    const found = named ? [named] : NAMES.flatMap((name) => findOnPath(name, context.env));
    for (const location of found) {
      // Ubuntu's program of this name is a script that asks for a snap, and has no version.
      const { code, stdout } = await run(location, ["--version"], { env: context.env, timeoutMs: 10_000 });
      const version = code === 0 ? findVersion(stdout) : undefined;
      if (version) return { name: "chromium", way: "path", location, version };
    }
    return { name: "chromium", way: "missing", remedy: HOW };
  },

  /** @returns its path. @throws ToolchainError where it is neither here nor can be installed */
  async ensure(context: ToolchainContext): Promise<string> {
    const before = await chromiumPart.inspect(context);
    if (before.location !== undefined) return before.location;
    const isDebian = hasApt(context.env) && /^ID=debian$/m.test(readFileSync("/etc/os-release", "utf8"));
    const mayInstall = context.install && isDebian && process.getuid?.() === 0;
    if (!mayInstall)
      throw new ToolchainError(
        "Chromium is missing, and can be installed from here only by root on Debian.",
        HOW,
      );
    await refreshLists(context, "chromium");
    if (await isOffered("chromium", context.env)) {
      await aptInstall(context, ["chromium", "fonts-dejavu-core"], "Chromium, for the tests of the page");
    }
    const after = await chromiumPart.inspect(context);
    if (after.location !== undefined) return after.location;
    throw new ToolchainError("Chromium is still missing after the installation.", HOW);
  },
};
