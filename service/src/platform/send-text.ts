/** Sends an answer of a known type. */
import type { ServerResponse } from "node:http";
import type { Response } from "express";

/**
 * Sends `text` as the whole answer. For answers that are asked for often: Express' `send` looks for what is known here
 * (the charset, whether the client has the answer already), which takes as long as the rest of a short answer.
 */
export function sendText(response: Response, type: string, text: string): void {
  response.setHeader("Content-Type", `${type}; charset=utf-8`);
  response.setHeader("Content-Length", Buffer.byteLength(text));
  // Node leaves out the body for HEAD.
  response.end(text);
}

/**
 * Cuts the connection of an answer that its client has not taken as a whole after `ms`. What is not taken stays in memory,
 * and a client that takes a little every now and then would never be late for what looks at single writes.
 */
export function cutAfter(response: ServerResponse, ms: number): void {
  if (response.closed) return;
  const timer = setTimeout(() => response.destroy(), ms);
  response.once("close", () => clearTimeout(timer));
}
