/** What the toolchain asks the Docker engine. No docker CLI is needed for it where the engine has a socket or plain TCP. */
import { Agent } from "node:http";
import type Docker from "dockerode";
import { socketPath } from "../../host/docker-host.ts";
import { findProgram } from "../../host/path.mjs";
import { run, type RunResult } from "../../host/run.ts";

export interface EngineVersion {
  readonly version: string;
  readonly api: string;
  readonly os: string;
}

/** Why an engine does not answer: nothing listens, we may not, it is silent, or it says no. */
export type Silence = "absent" | "denied" | "silent" | "refused";

export type EngineAnswer =
  | { readonly reached: true; readonly engine: EngineVersion }
  | { readonly reached: false; readonly why: Silence; readonly detail: string };

const ANSWER_MS = 5000;
/** The CLI has to start, and mostly to log in somewhere first. */
const CLI_ANSWER_MS = 15_000;

/** The client, with the options that its types do not know. */
export interface EngineClient extends Pick<Docker, "createImage"> {
  version(options: { readonly abortSignal: AbortSignal }): Promise<unknown>;
  info(options: { readonly abortSignal: AbortSignal }): Promise<unknown>;
}

/** A client of the engine's API. Undefined for ssh:// and TLS, for which the toolchain uses the docker CLI. */
export async function engineClient(host: string, env: NodeJS.ProcessEnv): Promise<EngineClient | undefined> {
  const address = addressOf(host, env);
  if (address === undefined) return undefined;
  // Loaded only here: it takes longer than all the rest of the toolchain, and many commands do not ask an engine.
  const { default: Client } = await import("dockerode");
  const options = {
    ...address,
    // A connection that is kept may belong to an engine that was restarted since.
    agent: new Agent({ keepAlive: false }),
    // What is not set here the client reads from DOCKER_HOST and its companions, which may name another engine.
    protocol: "http" as const,
    ca: undefined,
    cert: undefined,
    key: undefined,
    timeout: undefined,
  };
  return new Client(options);
}

function addressOf(
  host: string,
  env: NodeJS.ProcessEnv,
): Pick<Docker.DockerOptions, "socketPath" | "host" | "port"> | undefined {
  const socket = socketPath(host);
  if (socket !== undefined) return { socketPath: socket, host: undefined };
  const tls = env["DOCKER_TLS_VERIFY"] ?? env["DOCKER_TLS"] ?? "";
  if (!host.startsWith("tcp://") || tls !== "") return undefined;
  const url = new URL(host);
  return { host: url.hostname, port: url.port === "" ? 2375 : Number(url.port) };
}

/** Asks the engine who it is. */
export async function askEngine(host: string, env: NodeJS.ProcessEnv): Promise<EngineAnswer> {
  try {
    const client = await engineClient(host, env);
    if (client === undefined) return await askByCli(host, env);
    const engine = readVersion(await client.version({ abortSignal: AbortSignal.timeout(ANSWER_MS) }));
    if (engine) return { reached: true, engine };
    return { reached: false, why: "refused", detail: "its answer names no version" };
  } catch (error) {
    return { reached: false, ...explain(error) };
  }
}

/** The folder of the engine's data. Undefined where the engine cannot be asked. */
export async function engineDataRoot(host: string, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  try {
    const client = await engineClient(host, env);
    if (client === undefined)
      return textOf(parseJson((await byCli(host, env, "info", "{{json .}}"))?.stdout ?? ""), "DockerRootDir");
    const info: unknown = await client.info({ abortSignal: AbortSignal.timeout(ANSWER_MS) });
    return textOf(info, "DockerRootDir");
  } catch {
    return undefined;
  }
}

function readVersion(said: unknown): EngineVersion | undefined {
  const version = textOf(said, "Version");
  if (version === undefined) return undefined;
  return { version, api: textOf(said, "ApiVersion") ?? "", os: textOf(said, "Os") ?? "" };
}

/** A field of an answer that is text and not empty. Whatever speaks Docker's protocol may answer something else. */
export function textOf(value: unknown, name: string): string | undefined {
  const found = memberOf(value, name);
  return typeof found === "string" && found !== "" ? found : undefined;
}

export function memberOf(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  const found: unknown = Object.getOwnPropertyDescriptor(value, name)?.value;
  return found;
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function explain(error: unknown): { readonly why: Silence; readonly detail: string } {
  if (!(error instanceof Error)) return { why: "absent", detail: String(error) };
  const code = "code" in error ? error.code : undefined;
  const detail = error.message.trim();
  if ("statusCode" in error || code === "ECONNRESET") return { why: "refused", detail };
  if (code === "EACCES" || code === "EPERM") return { why: "denied", detail };
  if (error.name === "AbortError" || error.name === "TimeoutError")
    return { why: "silent", detail: `no answer within ${ANSWER_MS / 1000} s` };
  return { why: "absent", detail };
}

async function askByCli(host: string, env: NodeJS.ProcessEnv): Promise<EngineAnswer> {
  const answer = await byCli(host, env, "version", "{{json .Server}}");
  if (answer === undefined) {
    const detail = `the docker CLI, which alone reaches ${host}, is missing`;
    return { reached: false, why: "absent", detail };
  }
  const engine = answer.code === 0 ? readVersion(parseJson(answer.stdout)) : undefined;
  if (engine) return { reached: true, engine };
  const detail = answer.tail.at(-1) ?? "no answer";
  return { reached: false, why: answer.timedOut ? "silent" : "absent", detail };
}

/** Asks by the docker CLI. Undefined where there is none. */
async function byCli(
  host: string,
  env: NodeJS.ProcessEnv,
  command: "version" | "info",
  format: string,
): Promise<RunResult | undefined> {
  const docker = findProgram("docker", env);
  if (docker === undefined) return undefined;
  return await run(docker, [command, "--format", format], {
    env: { ...env, DOCKER_HOST: host },
    timeoutMs: CLI_ANSWER_MS,
  });
}
