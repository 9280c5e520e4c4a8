/** What a system that is not Linux cannot do, said by name before anything is tried (docs/environments.md has the table). */
import { exit, OpsError } from "../terminal/errors.ts";

/** Pure: why no program of a stack runs here; undefined where one does. */
export const whyNoProgram = (platform: NodeJS.Platform): string | undefined =>
  platform === "win32"
    ? "Windows itself cannot run a stack's program: its commands are scripts of a POSIX shell, and the policy pack is a file that the system starts as a program."
    : undefined;

export const PLATFORM_REMEDY =
  "Run it in WSL 2 (there it is Linux), with Docker Desktop's WSL integration. `npm run dev`, `health`, `logs` and `history` work on Windows itself.";

/** @throws OpsError on a system where no program of a stack runs */
export function checkPlatform(platform: NodeJS.Platform = process.platform): void {
  const why = whyNoProgram(platform);
  if (why !== undefined) throw new OpsError(why, PLATFORM_REMEDY, exit.usage);
}
