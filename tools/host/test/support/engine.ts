/** What the tests of the engine and of the images share. */
import { createServer, type Server } from "node:http";
import type { ToolchainContext } from "../../part.ts";
import { type RunResult, run } from "../../run.ts";

export interface RecordingContext extends ToolchainContext {
  readonly said: string[];
}

/** A context whose reports are collected. */
export function testContext(
  cacheDir: string,
  env: NodeJS.ProcessEnv = process.env,
  install = true,
): RecordingContext {
  const said: string[] = [];
  return {
    cacheDir,
    install,
    env,
    said,
    report: {
      say: (line) => void said.push(line),
      warn: (line) => void said.push(`warning: ${line}`),
      step: async (title, step) => {
        said.push(title);
        return await step((line) => void said.push(`  ${line}`));
      },
    },
  };
}

/** An engine that is only a socket and one answer. */
export async function fakeEngine(
  socket: string,
  answer: (path: string) => { readonly status: number; readonly body: unknown } | undefined,
): Promise<Server> {
  const server = createServer((request, response) => {
    const said = answer(request.url ?? "");
    // Undefined is an engine that hangs.
    if (said === undefined) return;
    response.writeHead(said.status, { "content-type": "application/json" });
    response.end(JSON.stringify(said.body));
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  return server;
}

export async function close(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}

/** The docker CLI; a bad end is an error that says what was printed. */
export async function docker(args: readonly string[], host?: string): Promise<RunResult> {
  const env = host === undefined ? process.env : { ...process.env, DOCKER_HOST: host };
  const result = await run("docker", args, { env, timeoutMs: 120_000 });
  if (result.code !== 0) {
    throw new Error(`docker ${args.join(" ")} ended with ${String(result.code)}:\n${result.tail.join("\n")}`);
  }
  return result;
}

/** Tries until the answer is true; the error says what was waited for. */
export async function until(what: string, test: () => Promise<boolean>, ms = 30_000): Promise<void> {
  const end = Date.now() + ms;
  while (!(await test())) {
    if (Date.now() > end) throw new Error(`Waited ${ms / 1000} s in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
}

/** A socket file whose listener was killed before it could remove it. */
export async function leaveSocket(path: string): Promise<void> {
  const script = `require("node:net").createServer().listen(process.argv[1], () => process.kill(process.pid, "SIGKILL"))`;
  await run(process.execPath, ["-e", script, path]);
}
