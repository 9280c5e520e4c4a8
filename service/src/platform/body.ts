/** Reads JSON bodies. */
import type { Request, RequestHandler } from "express";
import { chargeArrived } from "./body-limit.ts";
import { hasNameTwice, parseExactly } from "./json.ts";
import { Problem } from "./problems.ts";

/** How long the whole of a body may take, in ms: the longest one over a modem. */
export const BODY_MS = 10_000;

/**
 * Reads a JSON body of at most `limitBytes` into `request.body`. It refuses a longer one at once, while Express' own parser
 * first reads such a body to its end, however long it is. Numbers that JavaScript does not hold stay as they are, see
 * json.ts: what is passed on is passed on unchanged, and where a number is read, the schema refuses such a one.
 *
 * @throws Problem 415 for another type, charset or encoding, 413 for a longer body, 408 for one that takes longer than
 *   `ms` in all, 400 for anything but JSON, and as limitBodies does where what comes is too much together with others.
 */
export function jsonBody(limitBytes: number, ms = BODY_MS): RequestHandler {
  return async (request, _response, next) => {
    checkType(request);
    const text = await readText(request, limitBytes, ms);
    request.body = parsed(text);
    next();
  };
}

function parsed(text: string): unknown {
  let value: unknown;
  try {
    value = parseExactly(text);
  } catch {
    throw new Problem("invalid-json", "The body is not valid JSON.");
  }
  // Only one of the two could be kept, and nobody can say which one was meant (RFC 8259 4).
  if (hasNameTwice(text, value)) throw new Problem("invalid-json", "An object has the same name twice.");
  return value;
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

function readText(request: Request, limitBytes: number, ms: number): Promise<string> {
  const tooLong = (): Problem => new Problem("body-too-large", "The body is longer than allowed.");
  if (Number(request.get("content-length") ?? 0) > limitBytes) return Promise.reject(tooLong());
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const late = setTimeout(() => settle(new Problem("body-too-slow", "The body took too long.")), ms);
    const settle = (error?: Error): void => {
      clearTimeout(late);
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
      const refusal = bytes > limitBytes ? tooLong() : chargeArrived(request, bytes);
      if (refusal) settle(refusal);
      else chunks.push(chunk);
    };
    const onEnd = (): void => settle();
    // The client left, so nobody reads this answer.
    const onClose = (): void => settle(new Problem("bad-request", "The body is not complete."));
    const refusal = chargeArrived(request, 0);
    if (refusal) return settle(refusal);
    request.on("data", onData).on("end", onEnd).on("close", onClose);
  });
}
