/** Takes a connection away from Node's http. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { createRequire } from "node:module";
import type { Socket } from "node:net";
import { closeWaiting } from "../../platform/pipelined.ts";
import { forgetLast } from "../../platform/unreadable.ts";

type FreeParser = (parser: unknown, request: IncomingMessage, socket: Socket) => void;
/** What http keeps on its sockets without saying so in the types. */
type HttpSocket = Socket & { parser?: unknown; _httpMessage?: unknown };

/** What `http` itself does for an upgraded connection (lib/_http_server.js, onParserExecuteCommon). */
const freeParser = ((): FreeParser | undefined => {
  try {
    const common: unknown = createRequire(import.meta.url)("_http_common");
    const { freeParser: free } = common as { freeParser?: FreeParser };
    return typeof free === "function" ? free : undefined;
  } catch {
    return undefined;
  }
})();

/**
 * Takes the connection of a response whose headers are out away from `http`, as it does itself for an upgrade. The request,
 * the response, their parser and what Express keeps are a good part of what an open stream costs, and none of it is used
 * again. From then on the caller owns the socket, frames the chunks of the body, and ends the connection. Requests that
 * wait behind it on the connection are closed without an answer.
 *
 * Do not call it from within the request's own handler, where the parser still works.
 *
 * @returns undefined when this Node's http is not as expected (decision 27); then the response has to be used.
 */
export function takeOver(request: IncomingMessage, response: ServerResponse): Socket | undefined {
  const socket: HttpSocket | null = response.socket;
  if (!freeParser || !socket?.parser || socket._httpMessage !== response) return undefined;
  if (typeof response.detachSocket !== "function") return undefined;
  response.detachSocket(socket);
  for (const event of ["data", "end", "close", "drain", "error", "timeout"]) socket.removeAllListeners(event);
  freeParser(socket.parser, request, socket);
  closeWaiting(socket);
  forgetLast(socket);
  socket.setTimeout(0);
  // Whatever else the client sends is read and dropped, or the end of its side would not be seen.
  socket.on("end", hangUp);
  socket.resume();
  return socket;
}

/** http's sockets may be half-open. Like http, this takes a client that has ended its side for gone. */
function hangUp(this: Socket): void {
  this.destroy();
}
