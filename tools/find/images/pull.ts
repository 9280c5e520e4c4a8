/** Pulls an image, for as long as the registry shows progress. */
import { addAbortSignal, type Readable } from "node:stream";
import type { ImageName } from "../../build/images/names.ts";
import type { DockerCli } from "../../host/docker-cli.ts";
import { engineClient, memberOf, parseJson, textOf, type EngineClient } from "../engine/api.ts";

export type PullResult =
  { readonly pulled: true } | { readonly pulled: false; readonly why: WhyNot; readonly detail: string };

/**
 * `unreachable`: no registry answers. `unknown`: it has no such image. `refused`: it does not hand the image out. `failed`:
 * the registry is not at fault, or nobody knows; for example the engine's disk is full.
 */
export type WhyNot = "unreachable" | "unknown" | "refused" | "failed";

export interface PullLimits {
  /** The longest wait for the registry's first answer. */
  readonly firstAnswerMs: number;
  /** The longest wait between two signs of progress. */
  readonly stallMs: number;
}

const stallLimits: PullLimits = { firstAnswerMs: 10_000, stallMs: 120_000 };

/**
 * Pulls by the engine's API, whose progress tells a slow line from a dead one. Where only the CLI reaches the engine,
 * the CLI pulls.
 */
export async function pull(
  docker: DockerCli,
  image: ImageName,
  progress: (line: string) => void,
  limits: PullLimits = stallLimits,
): Promise<PullResult> {
  const client = await engineClient(docker.host, docker.env);
  if (client === undefined) return await pullByCli(docker, image, progress);
  const result = await pullByApi(client, image, progress, limits);
  // The API call is anonymous; the CLI knows who is logged in.
  if (!result.pulled && result.why === "refused") return await pullByCli(docker, image, progress);
  return result;
}

export async function pullByApi(
  client: EngineClient,
  image: ImageName,
  progress: (line: string) => void,
  limits: PullLimits,
): Promise<PullResult> {
  const stalled = new AbortController();
  const giveUpAfter = (ms: number, what: string): NodeJS.Timeout =>
    setTimeout(() => stalled.abort(new Error(`${what} ${ms / 1000} s`)), ms);
  let timer = giveUpAfter(limits.firstAnswerMs, "the registry did not answer within");
  const layers = new Map<string, Layer>();
  let failure: string | undefined;
  const take = (line: string): void => {
    const said = parseJson(line);
    if (said === undefined) return;
    clearTimeout(timer);
    timer = giveUpAfter(limits.stallMs, "the registry sent nothing for");
    failure = textOf(said, "error") ?? failure;
    const layer = layerOf(said);
    const id = textOf(said, "id");
    if (id !== undefined) layers.set(id, layer);
    progress(summarise(layers, layer));
  };
  try {
    const name = { fromImage: fullRepository(image), tag: image.digest ?? image.tag };
    const answer = await client.createImage({ ...name, abortSignal: stalled.signal });
    await eachLine(addAbortSignal(stalled.signal, answer as Readable), take);
  } catch (error) {
    failure = stalled.signal.aborted ? messageOf(stalled.signal.reason) : refusalOf(error);
  } finally {
    clearTimeout(timer);
  }
  return failure === undefined
    ? { pulled: true }
    : { pulled: false, why: classify(failure), detail: failure };
}

async function eachLine(stream: Readable, take: (line: string) => void): Promise<void> {
  let rest = "";
  for await (const text of stream.setEncoding("utf8") as AsyncIterable<string>) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    lines.forEach(take);
  }
  take(rest);
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error)).trim();

/** What the engine itself said: the client puts the HTTP status in front of it. */
const refusalOf = (error: unknown): string => messageOf(error).replace(/^\(HTTP code \d+\) [a-z ]* - /, "");

async function pullByCli(
  docker: DockerCli,
  image: ImageName,
  progress: (line: string) => void,
): Promise<PullResult> {
  const result = await docker.run(["pull", image.written], { onLine: progress });
  if (result.code === 0) return { pulled: true };
  const detail = result.tail.at(-1) ?? "docker pull failed";
  return { pulled: false, why: classify(detail), detail };
}

/** What the engine says of its own disk and memory while it unpacks what the registry has sent. */
const ownFault =
  /no space left on device|quota exceeded|read-only file system|permission denied|input\/output error|cannot allocate memory|failed to register layer/i;

/** What is said of a way to a registry that leads nowhere, and of a registry that is out of order. */
const noWay =
  /\bdial\b|\blookup\b|no such host|timeout|timed out|deadline exceeded|connection (refused|reset)|unreachable|no route to host|\bEOF\b|\btls\b|x509|proxyconnect|server misbehaving|temporary failure|failed to do request|failed to resolve reference|\b(Get|Head) "?https?:|\b50[234]\b|service unavailable|bad gateway|the registry (did not answer|sent nothing)/i;

/** What an engine's message means. One that nobody knows is no sign of a registry that cannot be reached. */
export function classify(message: string): WhyNot {
  // First, because a registry has a quota as well.
  if (/toomanyrequests|too many requests|rate limit|unauthorized|authentication required/i.test(message))
    return "refused";
  if (ownFault.test(message)) return "failed";
  if (
    /manifest unknown|manifest for .* not found|not found: manifest|no matching manifest|not found$/i.test(
      message,
    )
  )
    return "unknown";
  // Docker Hub says this for a repository that does not exist, and for a private one.
  if (/access denied|may require 'docker login'|denied/i.test(message)) return "refused";
  return noWay.test(message) ? "unreachable" : "failed";
}

function fullRepository(image: ImageName): string {
  return image.registry === undefined ? image.repository : `${image.registry}/${image.repository}`;
}

interface Layer {
  readonly status: string;
  readonly current: number;
  readonly total: number;
}

function layerOf(said: unknown): Layer {
  const detail = memberOf(said, "progressDetail");
  const amount = (name: string): number => Number(memberOf(detail, name)) || 0;
  return { status: textOf(said, "status") ?? "", current: amount("current"), total: amount("total") };
}

function summarise(layers: ReadonlyMap<string, Layer>, last: Layer): string {
  const all = [...layers.values()].filter((layer) => !layer.status.startsWith("Pulling from"));
  if (all.length === 0) return last.status;
  const done = all.filter((layer) => /complete|exists/i.test(layer.status)).length;
  const loading = all.filter((layer) => layer.status === "Downloading");
  const megabytes = (pick: (layer: Layer) => number): string =>
    (loading.reduce((sum, layer) => sum + pick(layer), 0) / 1e6).toFixed(0);
  const bytes =
    loading.length === 0
      ? ""
      : `, ${megabytes((layer) => layer.current)} of ${megabytes((layer) => layer.total)} MB`;
  return `${done} of ${all.length} layers${bytes}`;
}
