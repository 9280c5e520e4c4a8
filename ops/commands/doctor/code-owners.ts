/** Whether somebody has to look at a change of the policies: .github/CODEOWNERS. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Finding } from "./cloud-api.ts";

/** Pure: the paths of the file that have no owner. */
export const withoutOwner = (text: string): string[] =>
  text
    .split("\n")
    .map((line) => line.replace(/#.*/, "").trim().split(/\s+/))
    .filter(([path = "", ...owners]) => path !== "" && owners.length === 0)
    .map(([path = ""]) => path);

/** It is never wrong: where one person does everything, nobody else could look. */
export function checkCodeOwners(root: string): Finding {
  const paths = withoutOwner(readFileSync(join(root, ".github", "CODEOWNERS"), "utf8"));
  return {
    name: "code owners",
    good: true,
    detail:
      paths.length === 0
        ? "somebody has to look at changes of the policies, if main is protected"
        : `nobody has to look at changes of ${paths.join(", ")}: .github/CODEOWNERS names no owner, so GitHub asks nobody. Write an owner behind each path (@person, @organisation/team)`,
  };
}
