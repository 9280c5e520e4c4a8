/** The commit that the service was built from, for people who read its diagnostics. */
import { execFileSync } from "node:child_process";

/** What the image is made from, as git knows it. */
const SOURCES = ["service", "package.json", "package-lock.json"];

/**
 * The last commit that changed the service's sources; other commits must not replace its replicas. Undefined where it is
 * not known: outside of a repository, in a shallow clone, and with changes that are in no commit.
 */
export function commitOf(repository: string): string | undefined {
  const git = (...args: string[]): string =>
    execFileSync("git", ["-C", repository, ...args], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
  try {
    if (git("rev-parse", "--is-shallow-repository") !== "false") return undefined;
    if (git("status", "--porcelain", "--", ...SOURCES) !== "") return undefined;
    return git("log", "-1", "--format=%H", "--", ...SOURCES) || undefined;
  } catch {
    return undefined;
  }
}
