/** A command inside of a container of the stack. */
import type Docker from "dockerode";
import { unframe } from "./container-log.ts";

interface ExecOptions {
  /** What the command has to know: in its environment no character means anything to a shell. */
  readonly env?: Readonly<Record<string, string>>;
  /** What it reads on its standard input; default: nothing. */
  readonly input?: string;
}

interface ExecResult {
  readonly exitCode: number;
  /** Both streams together. */
  readonly output: string;
}

/** Starts it. @returns what it says, as the engine frames it */
export async function startIn(
  docker: Docker,
  container: string,
  command: readonly string[],
  { env = {}, input }: ExecOptions = {},
): Promise<{ readonly exec: Docker.Exec; readonly stream: NodeJS.ReadableStream }> {
  const exec = await docker.getContainer(container).exec({
    Cmd: [...command],
    Env: Object.entries(env).map(([name, value]) => `${name}=${value}`),
    AttachStdin: input !== undefined,
    AttachStdout: true,
    AttachStderr: true,
  });
  // Only a hijacked connection carries standard input and its end.
  const stream = await exec.start(input === undefined ? {} : { hijack: true, stdin: true });
  if (input !== undefined) stream.end(input);
  return { exec, stream };
}

/** Runs it to its end. */
export async function execIn(
  docker: Docker,
  container: string,
  command: readonly string[],
  options: ExecOptions = {},
): Promise<ExecResult> {
  const { exec, stream } = await startIn(docker, container, command, options);
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part as Buffer);
  const { ExitCode } = await exec.inspect();
  return { exitCode: ExitCode ?? 1, output: unframe(Buffer.concat(parts)) };
}
