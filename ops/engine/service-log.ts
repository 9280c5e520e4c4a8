/**
 * What the tasks of a service write, on whatever node: its manager fetches it. A node that does not answer is told among the
 * lines, and no line of it comes.
 */
import type { Readable } from "node:stream";
import type Docker from "dockerode";
import { splitFrames, type Frame } from "./container-log.ts";
import { within } from "./within.ts";

/** One line of a task. */
export interface TaskLine {
  readonly task: string;
  readonly text: string;
}

/** Lines, or why some could not be had. */
export type LogPiece = TaskLine | { readonly missing: string };

export interface LogRange {
  /** How many of the last lines of each task. */
  readonly tail: number;
  /** Seconds since 1970; default: from the beginning. */
  readonly since?: number;
}

/**
 * How long nothing may come before the rest is given up, in ms. A manager waits without end for a node that has just lost its power,
 * and that it takes for connected; what the others have handed over by then is all that there is to have.
 */
const QUIET_MS = 15_000;

/**
 * The lines that there are, each task's in their order.
 * @param service its name or id. @param quiet how long nothing may come, in ms.
 */
export async function readServiceLog(
  docker: Docker,
  service: string,
  range: LogRange,
  quiet = QUIET_MS,
): Promise<LogPiece[]> {
  const pieces: LogPiece[] = [];
  const reader = new ServiceLogReader((piece) => pieces.push(piece));
  const stream = await openLog(docker, service, range, false);
  const chunks = stream[Symbol.asyncIterator]();
  for (;;) {
    const coming = chunks.next();
    const chunk = await within(quiet, coming, () => undefined);
    if (chunk === undefined) {
      coming.catch(() => undefined);
      (stream as Readable).destroy();
      reader.end();
      pieces.push({ missing: `nothing more came for ${quiet / 1000} s, as when a node has just been lost` });
      return pieces;
    }
    if (chunk.done === true) break;
    reader.push(chunk.value as Buffer);
  }
  reader.end();
  return pieces;
}

/**
 * Hands on each line as it is written, also those of tasks that begin later.
 * @returns when the manager has ended it
 */
export async function followServiceLog(
  docker: Docker,
  service: string,
  range: LogRange,
  onPiece: (piece: LogPiece) => void,
): Promise<void> {
  const reader = new ServiceLogReader(onPiece);
  for await (const chunk of await openLog(docker, service, range, true)) reader.push(chunk as Buffer);
  reader.end();
}

function openLog(
  docker: Docker,
  service: string,
  { tail, since }: LogRange,
  follow: boolean,
): Promise<NodeJS.ReadableStream> {
  // Which task a line is of stands before it.
  const asked = {
    stdout: true,
    stderr: true,
    details: true,
    follow,
    tail,
    ...(since !== undefined && { since }),
  };
  // The client hands on as a stream what is followed, and nothing else; what the engine is asked for is told apart from that.
  return docker.getService(service).logs({ follow: true, _query: asked } as Docker.ContainerLogsOptions);
}

/** Makes lines of what a manager sends, however that is cut. */
export class ServiceLogReader {
  readonly #onPiece: (piece: LogPiece) => void;
  /** Of each stream of each task, what it has written since its last line end: the engine cuts a long line. */
  readonly #begun = new Map<string, TaskLine>();
  #rest: Buffer = Buffer.alloc(0);

  constructor(onPiece: (piece: LogPiece) => void) {
    this.#onPiece = onPiece;
  }

  push(chunk: Buffer): void {
    const split = splitFrames(Buffer.concat([this.#rest, chunk]));
    if (split === undefined) throw new Error("the manager has sent a log that has no frames");
    this.#rest = split.rest;
    for (const frame of split.frames) this.#take(frame);
  }

  end(): void {
    for (const line of this.#begun.values()) if (line.text !== "") this.#onPiece(line);
    this.#begun.clear();
  }

  #take(frame: Frame): void {
    const piece = readFrame(frame);
    if ("missing" in piece) return this.#onPiece(piece);
    const { task } = piece;
    const source = `${task} ${frame.stream}`;
    const lines = ((this.#begun.get(source)?.text ?? "") + piece.text).split("\n");
    this.#begun.set(source, { task, text: lines.pop() ?? "" });
    for (const line of lines) this.#onPiece({ task, text: line.replace(/\r$/, "") });
  }
}

const TASK = "com.docker.swarm.task.id";

/** Pure: one piece of a log that was asked for with details, "KEY=VALUE,KEY=VALUE text", where keys and values are escaped. */
export function readFrame({ stream, content }: Frame): LogPiece {
  const text = content.toString("utf8");
  const [, details = "", rest = ""] = /^([^\s=,]+=[^\s,]*(?:,[^\s=,]+=[^\s,]*)*) ([\s\S]*)$/.exec(text) ?? [];
  const task = new URLSearchParams(details.replaceAll(",", "&")).get(TASK);
  // The engine's own word stands alone, on an older engine among the errors of the tasks.
  if (stream === 3 || task === null) return { missing: whyMissing(text) };
  return { task, text: rest };
}

/** Pure: the reason in what an engine says of lines that it could not get. */
const whyMissing = (text: string): string =>
  text
    .trim()
    .replace(/^Error grabbing logs: /, "")
    .replace(/^rpc error: code = \w+ desc = /, "")
    .replace(
      /^warning: incomplete log stream\. some logs could not be retrieved for the following reasons: /,
      "",
    );
