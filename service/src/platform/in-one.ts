/** Several middlewares as one. */
import type { RequestHandler } from "express";

/**
 * One middleware that calls all of them in their order. Express looks up each layer anew (its path, its parameters, its
 * errors), which for the short ones that every request passes costs more than they do.
 */
export function inOne(...handlers: readonly RequestHandler[]): RequestHandler {
  return (request, response, next) => {
    let at = 0;
    const goOn = (error?: unknown): void => {
      const handler = error === undefined ? handlers[at++] : undefined;
      if (handler === undefined) next(error);
      else {
        const result = handler(request, response, goOn);
        // As Express does it: a promise that rejects is an error of the request.
        if (result instanceof Promise) result.catch(next);
      }
    };
    goOn();
  };
}
