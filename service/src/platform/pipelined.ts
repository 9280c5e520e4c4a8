/** Requests that wait behind another one on their connection (pipelining, RFC 9112 9.3.2). */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";

type Exchange = readonly [IncomingMessage, ServerResponse];

const waitingOn = new WeakMap<Socket, Set<Exchange>>();

/**
 * Remembers a request whose response has to wait for its turn, until that has been closed. Few clients ever send one, and
 * one that sends thousands costs no more for each.
 */
export function noteWaiting(request: IncomingMessage, response: ServerResponse): void {
  // http gives the response its socket when its turn comes.
  if (response.socket) return;
  const { socket } = request;
  let waiting = waitingOn.get(socket);
  if (!waiting) waitingOn.set(socket, (waiting = new Set()));
  const exchange: Exchange = [request, response];
  const others = waiting;
  others.add(exchange);
  response.once("close", () => others.delete(exchange));
}

/**
 * Closes what waits on a connection that a stream has taken over. http does that for a connection that ends, but it no
 * longer knows this one, and without "close" a request holds for ever what it was given: a place, bytes of the budget.
 */
export function closeWaiting(socket: Socket): void {
  const waiting = [...(waitingOn.get(socket) ?? [])];
  waitingOn.delete(socket);
  for (const [request, response] of waiting) {
    if (response.socket || response.destroyed) continue;
    // Not destroy(), which would end the connection. What the handlers still write is dropped.
    response.destroyed = true;
    response.emit("close");
    if (request.complete) continue;
    request.destroyed = true;
    request.emit("close");
  }
}
