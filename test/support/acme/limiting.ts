/**
 * An ACME authority that gives out accounts and nothing else: every order is one too many (RFC 8555, 6.6; the words are Let's
 * Encrypt's, https://letsencrypt.org/docs/rate-limits/). Pebble has no limits.
 */
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { createCertificate } from "../../../infra/components/edge/certificate.ts";

export const LIMITED =
  "too many certificates (5) already issued for this exact set of identifiers in the last 168h0m0s";

export interface LimitingAuthority {
  readonly directory: string;
  /** Whom to believe about its address, in PEM. */
  readonly certificate: string;
  /** How many orders it has refused. */
  readonly refused: () => number;
  close(): void;
}

/** @param address of this machine. @param ahead how far its clock is ahead of this machine's, in seconds. */
export async function startLimitingAuthority(address: string, ahead: number): Promise<LimitingAuthority> {
  const pair = await createCertificate([address]);
  let [refused, nonce] = [0, 0];
  const server = createServer({ cert: pair.certificate, key: pair.key }, (request, response) => {
    const { port } = server.address() as AddressInfo;
    const at = (path: string): string => `https://${address}:${port}/${path}`;
    response.sendDate = false;
    response.setHeader("date", new Date(Date.now() + ahead * 1000).toUTCString());
    response.setHeader("replay-nonce", `nonce-${++nonce}`);
    const say = (status: number, body: object, type = "application/json"): void => {
      response.writeHead(status, { "content-type": type });
      response.end(JSON.stringify(body));
    };
    request.resume();
    if (request.url === "/dir")
      say(200, {
        ...{ newNonce: at("nonce"), newAccount: at("account"), newOrder: at("order") },
        ...{ revokeCert: at("revoke"), keyChange: at("key") },
      });
    else if (request.url === "/nonce") response.writeHead(200).end();
    else if (request.url === "/account") {
      response.setHeader("location", at("account/1"));
      say(201, { status: "valid" });
    } else {
      refused += 1;
      response.setHeader("retry-after", "3600");
      const problem = { type: "urn:ietf:params:acme:error:rateLimited", detail: LIMITED, status: 429 };
      say(429, problem, "application/problem+json");
    }
  });
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  return {
    directory: `https://${address}:${(server.address() as AddressInfo).port}/dir`,
    certificate: pair.certificate,
    refused: () => refused,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
