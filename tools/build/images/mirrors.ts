/** Where this machine gets Debian's packages, as apt's configuration says. */
import { findProgram } from "../../host/path.mjs";
import { run } from "../../host/run.ts";

export interface Mirrors {
  readonly main?: string;
  readonly security?: string;
}

const FORMAT = "$(ORIGIN)|$(LABEL)|$(REPO_URI)";

/** The machine's Debian mirrors. None on a machine without apt, or with another distribution. */
export async function machineMirrors(env: NodeJS.ProcessEnv): Promise<Mirrors> {
  const apt = findProgram("apt-get", env);
  if (apt === undefined) return {};
  const answer = await run(apt, ["indextargets", "--format", FORMAT, "Created-By: Packages"], { env });
  return answer.code === 0 ? pickMirrors(answer.stdout) : {};
}

/** The first mirror of each kind that a container can reach, which excludes a folder or a CD of this machine. */
export function pickMirrors(listing: string): Mirrors {
  const rows = listing.split("\n").map((line) => line.split("|"));
  const find = (label: string): string | undefined =>
    rows.find(
      ([origin, itsLabel, uri]) => origin === "Debian" && itsLabel === label && /^https?:/.test(uri ?? ""),
    )?.[2];
  return { main: find("Debian"), security: find("Debian-Security") };
}
