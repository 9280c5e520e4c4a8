/** Reads JSON bodies. */
import type { Request, RequestHandler } from "express";
import { Problem } from "./problems.ts";

/**
 * Reads a JSON body of at most `limitBytes` into `request.body`. It refuses a longer one at once, while Express' own parser
 * first reads such a body to its end, however long it is.
 *
 * @throws Problem 415 for another type, charset or encoding, 413 for a longer body, 400 for anything but JSON.
 */
export function jsonBody(limitBytes: number): RequestHandler {
  return async (request, _response, next) => {
    checkType(request);
    const text = await readText(request, limitBytes);
    try {
      request.body = JSON.parse(text) as unknown;
    } catch {
      throw new Problem("invalid-json", "The body is not valid JSON.");
    }
    next();
  };
}

function checkType(request: Request): void {
  if (!request.is("application/json")) {
    throw new Problem("unsupported-media-type", "The body has to be application/json.");
  }
  const charset = /;\s*charset\s*=\s*"?([^\s;"]*)/i.exec(request.get("content-type") ?? "")?.[1];
  if (charset !== undefined && !/^utf-?8$/i.test(charset)) {
    throw new Problem("unsupported-charset", "The body's charset is not supported.");
  }
  if (!/^(identity)?$/i.test(request.get("content-encoding") ?? "")) {
    throw new Problem("unsupported-encoding", "The body's encoding is not supported.");
  }
}

function readText(request: Request, limitBytes: number): Promise<string> {
  const tooLong = (): Problem => new Problem("body-too-large", "The body is longer than allowed.");
  if (Number(request.get("content-length") ?? 0) > limitBytes) return Promise.reject(tooLong());
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const settle = (error?: Error): void => {
      request.off("data", onData).off("end", onEnd).off("close", onClose);
      if (error) return reject(error);
      try {
        resolve(new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(chunks)));
      } catch {
        reject(new Problem("invalid-json", "The body is not valid UTF-8."));
      }
    };
    const onData = (chunk: Buffer): void => {
      bytes += chunk.length;
      if (bytes > limitBytes) settle(tooLong());
      else chunks.push(chunk);
    };
    const onEnd = (): void => settle();
    // The client left, so nobody reads this answer.
    const onClose = (): void => settle(new Problem("bad-request", "The body is not complete."));
    request.on("data", onData).on("end", onEnd).on("close", onClose);
  });
}
