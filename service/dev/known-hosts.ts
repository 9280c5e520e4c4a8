/** Whom `npm run dev` answers: this machine, by its own names. */
import { isIP } from "node:net";
import { hostname } from "node:os";
import type { RequestHandler } from "express";
import { Problem } from "../src/platform/problems.ts";

/**
 * A page of another site can have its own name point to 127.0.0.1, and is then of the same origin as the service, for the
 * browser (DNS rebinding). So only hosts are answered that no other site can have: addresses, and the names of this machine.
 * @param host the Host header: a name or an address, and maybe a port.
 */
export function isOwnHost(host: string): boolean {
  const name = host
    .toLowerCase()
    .replace(/:\d{1,5}$/, "")
    .replace(/^\[(.{1,64})\]$/, "$1");
  const own = hostname().toLowerCase();
  if (isIP(name) !== 0 || name === "localhost" || name.endsWith(".localhost")) return true;
  return own !== "" && (name === own || name === `${own}.local`);
}

/** @throws Problem 421 for every other host. */
export const knownHosts: RequestHandler = (request, _response, next) => {
  if (isOwnHost(request.headers.host ?? "")) return next();
  throw new Problem("bad-request", "This host is not served here.", { status: 421 });
};
