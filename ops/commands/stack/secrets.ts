/** Secrets of a stack's file, encrypted by the Pulumi CLI. They go in on standard input: arguments are seen by others. */
import { spawnSync } from "node:child_process";
import { lastWords, OpsError } from "../../terminal/errors.ts";
import { prepareBackend, type Backend } from "../../stack/open-stack.ts";

export interface Secret {
  /** A key with its path: omniai:providers[0].apiKey. */
  readonly path: string;
  readonly value: string;
}

export interface Where {
  readonly root: string;
  readonly stack: string;
  readonly backend: Backend;
  readonly env: Readonly<Record<string, string>>;
  /** The CLI. */
  readonly pulumi: string;
}

/** Makes the stack known to the backend, which gives its file a salt, and sets each secret. @throws OpsError */
export function setSecrets({ root, stack, backend, env, pulumi }: Where, secrets: readonly Secret[]): void {
  if (backend.own) prepareBackend(backend);
  const run = (args: readonly string[], input?: string): void => {
    const { status, stderr } = spawnSync(pulumi, [...args, "--stack", stack, "--non-interactive"], {
      cwd: root,
      env: { ...env, ...backend.env },
      input,
      encoding: "utf8",
    });
    if (status === 0) return;
    throw new OpsError(
      `pulumi ${args.slice(0, 2).join(" ")} failed: ${lastWords(stderr)}`,
      "Nothing was written. Correct it and run the command again.",
    );
  };
  run(["stack", "init", "--no-select"]);
  for (const { path, value } of secrets) run(["config", "set", "--secret", "--path", path], value);
}
