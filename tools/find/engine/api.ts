/** The engine's HTTP API, as far as the toolchain asks it: no CLI is needed, and an answer takes milliseconds. */
import { request, type ClientRequest, type IncomingMessage, type RequestOptions } from "node:http";
import { socketPath } from "../../host/docker-host.ts";
import { findProgram } from "../../host/path.mjs";
import { run } from "../../host/run.ts";

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

/** How node's http client reaches an address; undefined for ssh:// and TLS, which only the CLI speaks here. */
export function httpOptions(host: string, env: NodeJS.ProcessEnv): RequestOptions | undefined {
  const socket = socketPath(host);
  if (socket !== undefined) return { socketPath: socket, headers: { Host: "docker" } };
  const tls = env["DOCKER_TLS_VERIFY"] ?? env["DOCKER_TLS"] ?? "";
  if (host.startsWith("tcp://") && tls === "") {
    const url = new URL(host);
    return { host: url.hostname, port: url.port === "" ? 2375 : Number(url.port) };
  }
  return undefined;
}

/** Asks the engine who it is. */
export async function askEngine(host: string, env: NodeJS.ProcessEnv): Promise<EngineAnswer> {
  const options = httpOptions(host, env);
  if (options === undefined) return await askByCli(host, env);
  try {
    const { status, body } = await call(options, "GET", "/version", ANSWER_MS);
    const engine = readVersion(body);
    if (status === 200 && engine) return { reached: true, engine };
    return { reached: false, why: "refused", detail: `HTTP ${status}: ${body.slice(0, 200)}` };
  } catch (error) {
    return { reached: false, ...explain(error) };
  }
}

/** What the engine says of itself under /info; undefined where it cannot be asked. */
export async function engineDataRoot(host: string, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  const options = httpOptions(host, env);
  if (options === undefined) return undefined;
  try {
    const { status, body } = await call(options, "GET", "/info", ANSWER_MS);
    const info: unknown = JSON.parse(body);
    if (status !== 200 || typeof info !== "object" || info === null || !("DockerRootDir" in info))
      return undefined;
    return typeof info.DockerRootDir === "string" ? info.DockerRootDir : undefined;
  } catch {
    return undefined;
  }
}

/** Starts a request whose answer is read as it comes. */
export function open(
  options: RequestOptions,
  method: string,
  path: string,
  onAnswer: (answer: IncomingMessage) => void,
): ClientRequest {
  // A connection of its own: one kept from before may belong to an engine that was restarted since.
  return request({ ...options, method, path, agent: false }, onAnswer).end();
}

/** One request, its whole answer. */
async function call(
  options: RequestOptions,
  method: string,
  path: string,
  timeoutMs: number,
): Promise<{ readonly status: number; readonly body: string }> {
  return await new Promise((resolve, reject) => {
    const asked = open(options, method, path, (answer) => {
      let body = "";
      answer.setEncoding("utf8");
      answer.on("data", (text: string) => (body += text));
      answer.on("error", reject);
      answer.on("end", () => {
        clearTimeout(timer);
        resolve({ status: answer.statusCode ?? 0, body });
      });
    });
    const timer = setTimeout(
      () => asked.destroy(Object.assign(new Error("no answer in time"), { code: "ETIMEDOUT" })),
      timeoutMs,
    );
    asked.on("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
  });
}

function readVersion(body: string): EngineVersion | undefined {
  try {
    const said: unknown = JSON.parse(body);
    if (typeof said !== "object" || said === null) return undefined;
    const field = (name: string): string => {
      const value: unknown = Object.getOwnPropertyDescriptor(said, name)?.value;
      return typeof value === "string" ? value : "";
    };
    const version = field("Version");
    return version === "" ? undefined : { version, api: field("ApiVersion"), os: field("Os") };
  } catch {
    return undefined;
  }
}

function explain(error: unknown): { readonly why: Silence; readonly detail: string } {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const detail = error instanceof Error ? error.message : String(error);
  if (code === "EACCES" || code === "EPERM") return { why: "denied", detail };
  if (code === "ETIMEDOUT") return { why: "silent", detail };
  if (code === "ECONNRESET") return { why: "refused", detail };
  return { why: "absent", detail };
}

async function askByCli(host: string, env: NodeJS.ProcessEnv): Promise<EngineAnswer> {
  const docker = findProgram("docker", env);
  if (docker === undefined) {
    return {
      reached: false,
      why: "absent",
      detail: `the docker CLI, which alone reaches ${host}, is missing`,
    };
  }
  const answer = await run(docker, ["version", "--format", "{{json .Server}}"], {
    env: { ...env, DOCKER_HOST: host },
    timeoutMs: 15_000,
  });
  const engine = answer.code === 0 ? readVersion(answer.stdout) : undefined;
  if (engine) return { reached: true, engine };
  const detail = answer.tail.at(-1) ?? "no answer";
  return { reached: false, why: answer.timedOut ? "silent" : "absent", detail };
}
