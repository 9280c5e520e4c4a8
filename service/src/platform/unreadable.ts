/** Requests that never reach a route, because Node or Express cannot make sense of them. */
import { IncomingMessage, type RequestListener, type Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Request, RequestHandler, Response } from "express";
import { Problem, sendProblem } from "./problems.ts";

/** An Express app; `done` gets what it gives up on. */
export type App = (request: Request, response: Response, done?: (error?: unknown) => void) => void;

const refusals = new WeakMap<IncomingMessage, Problem>();
/** The last request of a connection that Node could parse, at least its head. */
const lastOf = new WeakMap<Duplex, readonly [IncomingMessage, ServerResponse]>();
const refused = new WeakSet<Duplex>();

/** Lets go of what a connection asked last: it is not read as HTTP any more, and what it asked may live for hours. */
export const forgetLast = (socket: Socket): boolean => lastOf.delete(socket);

/** How long the rest of what was refused may come in after the answer, in ms, see `discardRest` of problems.ts. */
const LINGER_MS = 1000;

/** What Node's own answers to its errors are; the others get 400. */
const statuses: Readonly<Record<string, number>> = {
  HPE_HEADER_OVERFLOW: 431,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
  ERR_HTTP_REQUEST_TIMEOUT: 408,
};

/** The app refuses it as any other request: with an id, its headers, a log line and a metric. */
function refuse(app: App, request: IncomingMessage, response: ServerResponse, problem: Problem): void {
  refusals.set(request, problem);
  request.url = "/";
  app(request as Request, response as Response);
}

/**
 * Gives the app what it can parse. Express gives up on a target such as `http://[::1` before any middleware has run, so it
 * gets that request a second time with another target.
 */
export function readable(app: App): RequestListener {
  return (request, response) => {
    lastOf.set(request.socket, [request, response]);
    app(request as Request, response as Response, (error?: unknown) => {
      if (error || response.headersSent) return void response.destroy();
      const detail = "The target of the request is malformed. Send a path, such as /healthz.";
      refuse(app, request, response, new Problem("bad-request", detail));
    });
  };
}

/** Lets the app answer what Node would answer by itself: with a bare status, or with nothing at all. */
export function answerUnparsed(server: Server, app: App): void {
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    const { code = "" } = error;
    // The client is gone.
    if (!socket.writable || code === "ECONNRESET") return void socket.destroy();
    // What comes after the error gives errors of its own.
    if (refused.has(socket)) return;
    refused.add(socket);
    const problem = new Problem(
      "bad-request",
      `The request cannot be parsed (${code || "no reason given"}).`,
      {
        status: statuses[code] ?? 400,
        headers: { Connection: "close" },
      },
    );
    const [request, response] = lastOf.get(socket) ?? [];
    if (!request || !response) return answer(app, socket, problem);
    if (request.complete) {
      if (response.writableFinished) return answer(app, socket, problem);
      // It is one of a row, whose answers come first.
      return void response.once("finish", () => answer(app, socket, problem));
    }
    // Its body is what cannot be parsed. A second answer would be taken for that of the next request.
    if (response.writableFinished) return linger(socket);
    if (response.headersSent && !response.writableEnded) return void socket.destroy();
    response.once("finish", () => linger(socket));
    if (response.headersSent) return;
    // It has passed the app's log and metrics already, and waits for its body.
    sendProblem(response as Response, problem);
  });
  server.on("checkExpectation", (request, response) => {
    lastOf.set(request.socket, [request, response]);
    const detail = "Only Expect: 100-continue is supported.";
    refuse(app, request, response, new Problem("bad-request", detail, { status: 417 }));
  });
  server.on("connect", (_request, socket) => {
    answer(
      app,
      socket,
      new Problem("bad-request", "This is no proxy.", { headers: { Connection: "close" } }),
    );
  });
}

/** Answers on a connection on which there is no request, or none any more. */
function answer(app: App, connection: Duplex, problem: Problem): void {
  // With "connect" Node takes its own listener away. Without one, a client that resets its connection ends the process.
  connection.on("error", () => undefined);
  if (!connection.writable) return void connection.destroy();
  // The server has no other connections.
  const socket = connection as Socket;
  const request = new IncomingMessage(socket);
  request.method = "-";
  const response = new ServerResponse(request);
  try {
    response.assignSocket(socket);
  } catch {
    // An answer is under way on it.
    return void socket.destroy();
  }
  response.once("finish", () => linger(socket));
  refuse(app, request, response, problem);
}

function linger(socket: Duplex): void {
  socket.on("error", () => undefined);
  socket.end();
  socket.resume();
  const cut = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once("close", () => clearTimeout(cut));
}

/** Refuses what came for that, and what Node would refuse without an answer of ours: HTTP/1.1 without a Host. */
export const refuseUnreadable: RequestHandler = (request, _response, next) => {
  const isHostless = request.headers.host === undefined && request.httpVersion === "1.1";
  const refusal = refusals.get(request);
  next(refusal ?? (isHostless ? new Problem("bad-request", "The request has no Host header.") : undefined));
};
