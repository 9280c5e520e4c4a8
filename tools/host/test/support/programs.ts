/** Programs that only print a line. */
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";

/** Writes a program that prints one line, whatever it is asked. */
export async function programThatSays(path: string, line: string, code = 0): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, `#!/bin/sh\necho '${line}'\nexit ${code}\n`);
  await chmod(path, 0o755);
}
