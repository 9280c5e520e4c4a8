/** What containers write: the end of a log, and the frames in which the engine hands it over. */
import type Docker from "dockerode";
import { unlessGone } from "./connection.ts";

/** The last lines that a container wrote, both streams together. */
export async function lastLog(docker: Docker, id: string, tail: number): Promise<string> {
  const log = await unlessGone(
    docker.getContainer(id).logs({ stdout: true, stderr: true, tail, follow: false }),
  );
  return log === undefined ? "" : unframe(log);
}

/** One piece of what was written: stdin 0, stdout 1, stderr 2; 3 is a word of the engine itself. */
export interface Frame {
  readonly stream: number;
  readonly content: Buffer;
}

/**
 * Pure: the whole frames at the beginning of a log, and what is left of it. The engine frames each piece with 8 bytes: the
 * stream, three zeros, the length. @returns undefined for a log without frames: that of a container with a terminal
 */
export function splitFrames(
  log: Buffer,
): { readonly frames: readonly Frame[]; readonly rest: Buffer } | undefined {
  const frames: Frame[] = [];
  let at = 0;
  while (at + 8 <= log.length) {
    const stream = log[at] ?? 0;
    if (stream > 3 || log[at + 1] !== 0 || log[at + 2] !== 0 || log[at + 3] !== 0) return undefined;
    const end = at + 8 + log.readUInt32BE(at + 4);
    if (end > log.length) break;
    frames.push({ stream, content: log.subarray(at + 8, end) });
    at = end;
  }
  return { frames, rest: log.subarray(at) };
}

/** Pure: the text of a finished log. */
export function unframe(log: Buffer): string {
  const split = splitFrames(log);
  if (split === undefined) return log.toString("utf8");
  return [...split.frames.map(({ content }) => content), split.rest.subarray(8)]
    .map((part) => part.toString("utf8"))
    .join("");
}
