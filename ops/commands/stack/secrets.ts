/** Has the Pulumi CLI encrypt secrets into a stack's file. They go to standard input, because others can see arguments. */
import { spawnSync } from "node:child_process";
import { prepareBackend, type Backend } from "../../stack/backend.ts";
import { lastLines, OpsError } from "../../terminal/errors.ts";

export interface Secret {
  /** A key with its path: omniai:providers[0].apiKey. */
  readonly path: string;
  readonly value: string;
}

export interface SecretStore {
  readonly root: string;
  readonly stack: string;
  readonly backend: Backend;
  readonly env: Readonly<Record<string, string>>;
  /** The path of the CLI. */
  readonly pulumi: string;
}

/**
 * Makes the stack in the backend where it is new, which gives its file an encryption salt, and sets each secret.
 * @throws OpsError
 */
export function setSecrets(
  { root, stack, backend, env, pulumi }: SecretStore,
  secrets: readonly Secret[],
): void {
  if (backend.own) prepareBackend(backend);
  const run = (args: readonly string[], input?: string, allowed?: RegExp): void => {
    const { status, stderr } = spawnSync(pulumi, [...args, "--stack", stack, "--non-interactive"], {
      cwd: root,
      env: { ...env, ...backend.env },
      input,
      encoding: "utf8",
    });
    if (status === 0 || allowed?.test(stderr)) return;
    throw new OpsError(
      `pulumi ${args.slice(0, 2).join(" ")} failed: ${lastLines(stderr)}`,
      "Nothing was written. Correct the cause and run the command again.",
    );
  };
  run(["stack", "init", "--no-select"], undefined, /already exists/);
  for (const { path, value } of secrets) run(["config", "set", "--secret", "--path", path], value);
}
