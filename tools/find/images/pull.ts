/** Pulls an image, as long as the registry gives any sign of life. */
import type { RequestOptions } from "node:http";
import { httpOptions, open } from "../engine/api.ts";
import type { Docker } from "../../host/docker-cli.ts";
import type { ImageName } from "../../build/images/names.ts";

export type PullResult =
  | { readonly pulled: true }
  /** `unreachable`: no registry answers. `unknown`: it answers that there is no such image. `refused`: it will not give it. */
  | { readonly pulled: false; readonly why: "unreachable" | "unknown" | "refused"; readonly detail: string };

export interface PullLimits {
  /** Until the registry first answers. */
  readonly firstAnswerMs: number;
  /** Between two signs of progress. */
  readonly stallMs: number;
}

const LIMITS: PullLimits = { firstAnswerMs: 10_000, stallMs: 120_000 };

/** Pulls by the engine's API, whose progress tells a slow line from a dead one; where only the CLI gets in, by the CLI. */
export async function pull(
  docker: Docker,
  image: ImageName,
  progress: (line: string) => void,
  limits: PullLimits = LIMITS,
): Promise<PullResult> {
  const options = httpOptions(docker.host, docker.env);
  if (options === undefined) return await pullByCli(docker, image, progress);
  const result = await pullByApi(options, image, progress, limits);
  // The API call is anonymous; the CLI knows who is logged in.
  if (!result.pulled && result.why === "refused") return await pullByCli(docker, image, progress);
  return result;
}

export async function pullByApi(
  options: RequestOptions,
  image: ImageName,
  progress: (line: string) => void,
  limits: PullLimits,
): Promise<PullResult> {
  const query = new URLSearchParams({ fromImage: fullRepository(image), tag: image.digest ?? image.tag });
  return await new Promise((resolve) => {
    const layers = new Map<string, Layer>();
    let failure = "";
    let heard = false;
    let rest = "";
    let done = false;
    const finish = (result: PullResult): void => {
      if (done) return;
      done = true;
      clearTimeout(timer);
      resolve(result);
      asked.destroy();
    };
    const silent = (): void =>
      finish({
        pulled: false,
        why: "unreachable",
        detail: heard
          ? `the registry sent nothing for ${limits.stallMs / 1000} s`
          : `the registry did not answer within ${limits.firstAnswerMs / 1000} s`,
      });
    let timer = setTimeout(silent, limits.firstAnswerMs);
    const take = (line: string): void => {
      const said = parse(line);
      if (said === undefined) return;
      heard = true;
      if (said.error !== undefined) failure = said.error;
      clearTimeout(timer);
      timer = setTimeout(silent, limits.stallMs);
      if (said.id !== undefined) layers.set(said.id, said);
      progress(summarise(layers, said));
    };
    const asked = open(options, "POST", `/images/create?${query.toString()}`, (answer) => {
      answer.setEncoding("utf8");
      answer.on("data", (text: string) => {
        // A refusal is one JSON text, not a stream of lines.
        if (answer.statusCode !== 200) {
          rest += text;
          return;
        }
        const parts = (rest + text).split(/\r?\n/);
        rest = parts.pop() ?? "";
        for (const part of parts) take(part);
      });
      answer.on("error", (error) => finish({ pulled: false, why: "unreachable", detail: error.message }));
      answer.on("end", () => {
        const status = answer.statusCode ?? 0;
        if (status !== 200) failure = messageOf(rest) ?? `HTTP ${status} ${rest.trim()}`;
        else take(rest);
        finish(
          failure === "" ? { pulled: true } : { pulled: false, why: classify(failure), detail: failure },
        );
      });
    });
    asked.on("error", (error) => finish({ pulled: false, why: "unreachable", detail: error.message }));
  });
}

async function pullByCli(
  docker: Docker,
  image: ImageName,
  progress: (line: string) => void,
): Promise<PullResult> {
  const result = await docker.run(["pull", image.written], { onLine: progress });
  if (result.code === 0) return { pulled: true };
  const detail = result.tail.at(-1) ?? "docker pull failed";
  return { pulled: false, why: classify(detail), detail };
}

/** What an engine's words mean. What is not known is taken for a registry that is not to be had. */
export function classify(message: string): "unreachable" | "unknown" | "refused" {
  if (/toomanyrequests|too many requests|rate limit|unauthorized|authentication required/i.test(message))
    return "refused";
  if (
    /manifest unknown|manifest for .* not found|not found: manifest|no matching manifest|not found$/i.test(
      message,
    )
  )
    return "unknown";
  // Docker Hub says so for a repository that does not exist, and for one that is private.
  if (/access denied|may require 'docker login'|denied/i.test(message)) return "refused";
  return "unreachable";
}

function fullRepository(image: ImageName): string {
  return image.registry === undefined ? image.repository : `${image.registry}/${image.repository}`;
}

interface Layer {
  readonly id?: string;
  readonly status: string;
  readonly current: number;
  readonly total: number;
  readonly error?: string;
}

function parse(line: string): Layer | undefined {
  if (line.trim() === "") return undefined;
  let said: unknown;
  try {
    said = JSON.parse(line);
  } catch {
    return undefined;
  }
  const status = text(said, "status") ?? "";
  const detail = member(said, "progressDetail");
  return {
    id: text(said, "id"),
    status,
    current: amount(detail, "current"),
    total: amount(detail, "total"),
    error: text(said, "error"),
  };
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

function messageOf(body: string): string | undefined {
  try {
    return text(JSON.parse(body), "message");
  } catch {
    return undefined;
  }
}

function member(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  const found: unknown = Object.getOwnPropertyDescriptor(value, name)?.value;
  return found;
}

function text(value: unknown, name: string): string | undefined {
  const found = member(value, name);
  return typeof found === "string" ? found : undefined;
}

function amount(value: unknown, name: string): number {
  const found = member(value, name);
  return typeof found === "number" ? found : 0;
}
