/** The security headers of every answer. */
import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import helmet from "helmet";
import type { RequestHandler } from "express";

/**
 * Headers for an API whose page lives on another site. No answer may be shown, framed or run as a document, and every site
 * may be sent one; CORS decides which page may read it.
 *
 * Strict-Transport-Security is missing, because only what ends TLS can promise it, and a promise for "localhost" would
 * break everything else that a developer runs there.
 */
const policy = helmet({
  contentSecurityPolicy: {
    useDefaults: false,
    directives: {
      defaultSrc: ["'none'"],
      frameAncestors: ["'none'"],
      baseUri: ["'none'"],
      formAction: ["'none'"],
    },
  },
  crossOriginResourcePolicy: { policy: "cross-origin" },
  // These are about documents that open others, and about old browsers.
  crossOriginOpenerPolicy: false,
  originAgentCluster: false,
  strictTransportSecurity: false,
  xDnsPrefetchControl: false,
  xDownloadOptions: false,
  xPermittedCrossDomainPolicies: false,
  xXssProtection: false,
  referrerPolicy: { policy: "no-referrer" },
  xFrameOptions: { action: "deny" },
});

/** Helmet sets the same for every answer, so it is asked once: thousands of streams may come back together. */
const headers = ((): ReadonlyMap<string, string> => {
  const response = new ServerResponse(new IncomingMessage(new Socket()));
  policy(response.req, response, (error?: unknown) => {
    if (error) throw error as Error;
  });
  return new Map(Object.entries(response.getHeaders()).map(([name, value]) => [name, String(value)]));
})();

export const securityHeaders: RequestHandler = (_request, response, next) => {
  response.setHeaders(headers as Map<string, string>);
  next();
};
