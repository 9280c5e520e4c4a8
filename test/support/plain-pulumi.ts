/** The Pulumi CLI itself, without the operator's commands around it, as README.md shows it. */
import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestStack } from "./stack.ts";

export interface PlainResult {
  readonly code: number | null;
  readonly stdout: string;
  /** Standard output and standard error, in the order of arrival. */
  readonly output: string;
}

/**
 * Runs the CLI for a stack that the operator's command has made.
 * @param state another folder for the state than that of the stack's checkout.
 */
export async function plainPulumi(
  { checkout, name }: TestStack,
  args: readonly string[],
  state = join(checkout, ".state"),
): Promise<PlainResult> {
  const file = join(checkout, `Pulumi.${name}.yaml`);
  const config = readFileSync(file);
  const child = spawn("pulumi", [...args, "--stack", name, "--non-interactive"], {
    cwd: checkout,
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      ...process.env,
      PULUMI_BACKEND_URL: `file://${state}`,
      PULUMI_CONFIG_PASSPHRASE_FILE: join(checkout, ".state/passphrase"),
      NO_COLOR: "1",
    },
  });
  let [stdout, output] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => {
    stdout += chunk.toString();
    output += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  });
  // It has written this machine's salt into the file, which the operator's commands keep out of it.
  writeFileSync(file, config);
  return { code, stdout, output };
}

export const plainUp = (stack: TestStack, ...flags: readonly string[]): Promise<PlainResult> =>
  plainPulumi(stack, ["up", "--yes", "--skip-preview", ...flags]);
