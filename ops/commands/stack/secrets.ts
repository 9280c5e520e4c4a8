/** Has the Pulumi CLI encrypt secrets into a stack's file. They go to standard input, because others can see arguments. */
import { run } from "../../../tools/host/run.ts";
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
 * @throws OpsError; the secret at which it failed may be set all the same
 */
export async function setSecrets(
  { root, stack, backend, env, pulumi }: SecretStore,
  secrets: readonly Secret[],
): Promise<void> {
  if (backend.own) prepareBackend(backend);
  const ask = async (args: readonly string[], input?: string, allowed?: RegExp): Promise<void> => {
    const { code, endedBy, notStarted, tail } = await run(
      pulumi,
      [...args, "--stack", stack, "--non-interactive"],
      // Whoever presses Ctrl-C ends this command, which waits for what has begun.
      { cwd: root, env: { ...env, ...backend.env }, input, ownGroup: true },
    );
    const said = notStarted ?? lastLines(tail.join("\n"));
    if (code === 0 || allowed?.test(said)) return;
    const how = endedBy === undefined ? "failed" : `was ended by ${endedBy}`;
    throw new OpsError(
      [`pulumi ${args.slice(0, 2).join(" ")} ${how}`, ...(said === "" ? [] : [said])].join(": "),
      "Correct the cause and run the command again.",
    );
  };
  await ask(["stack", "init", "--no-select"], undefined, /already exists/);
  for (const { path, value } of secrets) await ask(["config", "set", "--secret", "--path", path], value);
}
