/** Builds the programs of the benchmarks that are written in Go. */
import { spawnSync } from "node:child_process";
import { basename, join } from "node:path";

/**
 * @param source the folder of the program's sources.
 * @param folder where the program is put, under the name of its sources' folder.
 * @returns where it is. @throws Error if Go is missing or the build fails.
 */
export function buildProgram(source: string, folder: string): string {
  const program = join(folder, basename(source));
  const { status, stderr, error } = spawnSync("go", ["build", "-o", program, "."], {
    cwd: source,
    encoding: "utf8",
  });
  if (status !== 0)
    throw new Error(
      `${source} cannot be built: ${error?.message ?? stderr}. Go 1.25 or newer has to be on PATH.`,
    );
  return program;
}
