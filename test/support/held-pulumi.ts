/** A Pulumi CLI that does all as the real one does, and stops at one point: where it sets a secret. */
import { existsSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { pulumiPart } from "../../tools/find/pulumi/cli.ts";
import { createContext } from "../../tools/host/context.ts";

export interface HeldPulumi {
  /** The environment of a command that is to use it. */
  readonly env: NodeJS.ProcessEnv;
  /** Whether it has come to the point. */
  reached(this: void): boolean;
  /** Lets one that waits go on. */
  goOn(this: void): void;
  remove(this: void): void;
}

/**
 * @param secret the key whose setting is meant: "omniai:offsiteKey". @param at before it is set, or after.
 * @param does one that waits goes on when it is told to, and ends where its command is gone; one that is killed dies at once.
 */
export async function holdPulumi(
  secret: string,
  at: "before" | "after",
  does: "waits" | "is killed",
): Promise<HeldPulumi> {
  const { location } = await pulumiPart.inspect(createContext());
  if (location === undefined) throw new Error("there is no Pulumi CLI on this machine");
  const folder = mkdtempSync(join(tmpdir(), "omniai-held-pulumi-"));
  const [reached, go] = [join(folder, "reached"), join(folder, "go")];
  // What belongs to the CLI is looked for beside it.
  for (const name of readdirSync(dirname(location)))
    if (name.startsWith("pulumi-")) symlinkSync(join(dirname(location), name), join(folder, name));
  const stop =
    does === "is killed"
      ? "kill -KILL $$"
      : `until [ -e "${go}" ]; do kill -0 "$PPID" 2>/dev/null || exit 1; sleep 0.1; done`;
  const point = `touch "${reached}"; ${stop}`;
  const script = `#!/bin/sh
case "$*" in "config set "*"${secret}"*) ;; *) exec "${location}" "$@" ;; esac
${at === "before" ? point : ""}
"${location}" "$@" || exit
${at === "after" ? point : ""}
`;
  writeFileSync(join(folder, "pulumi"), script, { mode: 0o755 });
  return {
    env: { ...process.env, NO_COLOR: "1", PATH: [folder, process.env["PATH"] ?? ""].join(delimiter) },
    reached: () => existsSync(reached),
    goOn: () => writeFileSync(go, ""),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
