/** A command inside of a container of the stack. */
import type Docker from "dockerode";
import { unframe } from "./containers.ts";

export interface ExecResult {
  readonly code: number;
  /** Both streams. */
  readonly output: string;
}

/** Runs it to its end. What it has to know goes through `env`, so that no character means something to a shell. */
export async function execIn(
  docker: Docker,
  container: string,
  command: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<ExecResult> {
  const exec = await docker.getContainer(container).exec({
    Cmd: [...command],
    Env: Object.entries(env).map(([name, value]) => `${name}=${value}`),
    AttachStdout: true,
    AttachStderr: true,
  });
  const stream = await exec.start({});
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part as Buffer);
  const { ExitCode } = await exec.inspect();
  return { code: ExitCode ?? 1, output: unframe(Buffer.concat(parts)) };
}
