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

/**
 * Pure: the text of a finished log. The engine frames each piece with 8 bytes: the stream, three zeros, the length.
 * A container with a terminal has no frames.
 */
export function unframe(log: Buffer): string {
  let text = "";
  let at = 0;
  while (at + 8 <= log.length) {
    if ((log[at] ?? 9) > 2 || log[at + 1] !== 0 || log[at + 2] !== 0 || log[at + 3] !== 0)
      return log.toString("utf8");
    const length = log.readUInt32BE(at + 4);
    text += log.toString("utf8", at + 8, at + 8 + length);
    at += 8 + length;
  }
  return text;
}
