/** HTTP servers: how they are made, opened and closed. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { noteWaiting } from "./pipelined.ts";
import { answerUnparsed, readable, type App } from "./unreadable.ts";

/**
 * A server whose timeouts fit behind nginx. It has to keep an idle connection longer than nginx does (60 s). Otherwise
 * nginx sends a request into a connection that is just being closed, and answers 502 (nodejs/node#27363).
 */
export function newServer(app: App): Server {
  const listener = readable(app);
  const server = createServer(
    {
      keepAliveTimeout: 75_000,
      headersTimeout: 80_000,
      requestTimeout: 120_000,
      // The app refuses a request without one, see unreadable.ts.
      requireHostHeader: false,
    },
    (request, response) => {
      noteWaiting(request, response);
      listener(request, response);
    },
  );
  // A stream may be silent between two heartbeats for as long as it likes.
  server.timeout = 0;
  server.maxRequestsPerSocket = 0;
  answerUnparsed(server, app);
  return server;
}

/** @returns the bound port. @throws the error of the system, for example for a port that is taken. */
export function listen(server: Server, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    // A connection that finds no place is tried again by its client's kernel after 1, 3 and 7 s, which is far longer than
    // the crowd takes here.
    server.listen({ port, host, backlog: 4096 }, () => {
      server.off("error", reject);
      resolve((server.address() as AddressInfo).port);
    });
  });
}

/** Stops accepting, and resolves when the last connection has ended or was cut after `ms`. @returns whether any was cut. */
export async function closeServer(server: Server, ms: number): Promise<boolean> {
  let wasCut = false;
  const cut = setTimeout(() => {
    wasCut = true;
    server.closeAllConnections();
  }, ms);
  // A kept-alive connection becomes idle when its last answer is out; close() itself only looks once.
  const sweep = setInterval(() => server.closeIdleConnections(), 50);
  await new Promise<void>((resolve) => server.close(() => resolve()));
  clearTimeout(cut);
  clearInterval(sweep);
  return wasCut;
}
