/** Runs a program of src/ in a process of its own. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { authEnvironment } from "./auth.ts";
import { testEnvironment } from "./instance.ts";

export interface Ran {
  readonly code: number;
  readonly output: string;
  readonly errors: string;
  /** When the process ended, ms since 1970. */
  readonly at: number;
}

/** Runs a program of src/ as the image does, in a process of its own. */
export async function runEntry(
  file: string,
  args: readonly string[],
  input = "",
  extra: Record<string, string> = {},
): Promise<Ran> {
  const environment = await testEnvironment({ OMNIAI_AUTH_MODE: "both", ...authEnvironment, ...extra });
  const child = spawn(
    process.execPath,
    [
      "--disable-warning=ExperimentalWarning",
      new URL(`../../src/${file}`, import.meta.url).pathname,
      ...args,
    ],
    { env: { PATH: process.env.PATH, ...environment } },
  );
  let output = "";
  let errors = "";
  child.stdout.on("data", (text: Buffer) => (output += text.toString()));
  child.stderr.on("data", (text: Buffer) => (errors += text.toString()));
  child.stdin.end(input);
  const [code] = (await once(child, "close")) as [number];
  return { code, output, errors, at: Date.now() };
}
