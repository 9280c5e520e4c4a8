/** The secrets of a test stack: set before its first deploy, and read back from its state. */
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestStack } from "./stack.ts";

/** Runs Pulumi on the state that the operator's commands use. @returns what it prints */
function pulumi({ checkout, name }: TestStack, args: readonly string[], input?: string): string {
  const state = join(checkout, ".state");
  const passphrase = join(state, "passphrase");
  const env = {
    ...process.env,
    PULUMI_BACKEND_URL: `file://${state}`,
    PULUMI_CONFIG_PASSPHRASE_FILE: passphrase,
    PULUMI_SKIP_UPDATE_CHECK: "true",
  };
  const run = (...rest: readonly string[]): string =>
    execFileSync("pulumi", [...rest, "--stack", name, "--non-interactive"], {
      ...{ cwd: checkout, env, input, encoding: "utf8", maxBuffer: 2 ** 28 },
      stdio: ["pipe", "pipe", "inherit"],
    });
  if (!existsSync(passphrase)) {
    mkdirSync(state, { recursive: true, mode: 0o700 });
    writeFileSync(passphrase, randomBytes(16).toString("hex"), { mode: 0o600 });
    run("stack", "init", "--no-select");
  }
  return run(...args);
}

/** @param path as `pulumi config set --path` takes it. */
export const setSecret = (stack: TestStack, path: string, value: string): void =>
  void pulumi(stack, ["config", "set", "--secret", "--path", path], value);

/** How a state marks a secret (Pulumi, sdk/go/common/resource: SigKey and SecretSig). */
const [KEY, MARK] = ["4dabf18193072939515e22adb298388d", "1b47061264138c4ac30d75fd1eb44270"] as const;

/** Shorter ones are words such as a user's name, which stand in logs rightly. */
const SHORTEST = 12;

/** Every text that the stack keeps secret: passwords, keys, tokens, addresses of receivers. */
export function secretsOf(stack: TestStack): string[] {
  const [found, open] = [new Set<string>(), new Set<string>()];
  const visit = (value: unknown, isSecret: boolean): void => {
    if (typeof value === "string") {
      // A secret with parts is kept as the text of its JSON.
      const inner = isSecret ? parse(value) : undefined;
      if (typeof inner === "object") return visit(inner, true);
      const text = typeof inner === "string" ? inner : value;
      for (const line of text.split("\n")) if (line.length >= SHORTEST) (isSecret ? found : open).add(line);
    } else if (typeof value === "object" && value !== null) {
      const isMarked = (value as Record<string, unknown>)[KEY] === MARK;
      for (const [key, part] of Object.entries(value)) if (key !== KEY) visit(part, isSecret || isMarked);
    }
  };
  visit(JSON.parse(pulumi(stack, ["stack", "export", "--show-secrets"])), false);
  // A value with one secret in it is marked as a whole: what also stands in the open, as a container's name, is none.
  const plain = [...open].join("\n");
  return [...found].filter((text) => !plain.includes(text));
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
