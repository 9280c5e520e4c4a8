/**
 * A stand-in for the part of Cloudflare's API (v4) that certbot's plugin asks: zones by name, and their TXT records. Answers and
 * codes are as in https://developers.cloudflare.com/api/ and https://developers.cloudflare.com/fundamentals/api/troubleshooting/.
 */
import { createServer, type Server } from "node:https";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { createCertificate } from "../../../infra/components/edge/certificate.ts";

/** What a token may do: see zones, by name, and write their records. */
export interface TokenRights {
  readonly zones: readonly string[];
  readonly edit: boolean;
}

interface TextRecord {
  readonly id: string;
  readonly zone: string;
  readonly name: string;
  readonly content: string;
}

export class CloudflareStandIn {
  /** Whom to believe about its address, in PEM. */
  readonly certificate: string;
  /** What was asked for, as `METHOD path`. */
  readonly asked: string[] = [];
  readonly #server: Server;
  readonly #address: string;
  readonly #rights: Readonly<Record<string, TokenRights>>;
  readonly #publish: (name: string, values: readonly string[]) => Promise<void>;
  #records: TextRecord[] = [];
  #serial = 0;

  private constructor(
    address: string,
    pair: { readonly certificate: string; readonly key: string },
    rights: Readonly<Record<string, TokenRights>>,
    publish: (name: string, values: readonly string[]) => Promise<void>,
  ) {
    this.#address = address;
    this.certificate = pair.certificate;
    this.#rights = rights;
    this.#publish = publish;
    this.#server = createServer({ cert: pair.certificate, key: pair.key }, (request, response) => {
      void this.#answer(request, response);
    });
  }

  /**
   * @param address of this machine, by which containers reach it. @param rights by token.
   * @param publish puts the TXT records of a name where an authority looks.
   */
  static async start(
    address: string,
    rights: Readonly<Record<string, TokenRights>>,
    publish: (name: string, values: readonly string[]) => Promise<void>,
  ): Promise<CloudflareStandIn> {
    const standIn = new CloudflareStandIn(address, await createCertificate([address]), rights, publish);
    await new Promise<void>((resolve) => standIn.#server.listen(0, address, resolve));
    return standIn;
  }

  get url(): string {
    return `https://${this.#address}:${(this.#server.address() as AddressInfo).port}/client/v4`;
  }

  /** The TXT records that are left. */
  get records(): readonly string[] {
    return this.#records.map(({ name }) => name);
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams: query } = new URL(request.url ?? "/", "https://x");
    this.asked.push(`${request.method} ${pathname}`);
    let text = "";
    for await (const part of request) text += String(part);
    const say = (status: number, body: object): void => {
      response.writeHead(status, { "content-type": "application/json" });
      response.end(JSON.stringify({ errors: [], messages: [], ...body }));
    };
    // Versions of the library from 3 on ask for page after page until one is empty.
    const page = Number(query.get("page") ?? 1);
    const found = (all: readonly object[]): void => {
      const result = page === 1 ? all : [];
      say(200, {
        success: true,
        result,
        result_info: {
          page,
          per_page: 20,
          count: result.length,
          total_count: all.length,
          total_pages: 1,
        },
      });
    };
    const refuse = (status: number, code: number, message: string): void =>
      say(status, { success: false, errors: [{ code, message }], result: null });
    const rights = this.#rights[/^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1] ?? ""];
    if (rights === undefined) return refuse(403, 9109, "Invalid access token");
    if (pathname === "/client/v4/zones") {
      const name = query.get("name");
      return found(
        rights.zones.filter((zone) => zone === name).map((zone) => ({ id: idOf(zone), name: zone })),
      );
    }
    const [, id = "", record] =
      /^\/client\/v4\/zones\/([^/]+)\/dns_records(?:\/([^/]+))?$/.exec(pathname) ?? [];
    const zone = rights.zones.find((one) => idOf(one) === id);
    if (zone === undefined || (request.method !== "GET" && !rights.edit))
      return refuse(403, 10000, "Authentication error");
    if (request.method === "GET") {
      // Version 2 of Cloudflare's library asks for `name`, version 4 for `name.exact`.
      const wanted = (key: string): string | null => query.get(`${key}.exact`) ?? query.get(key);
      return found(
        this.#records.filter(
          (one) => one.zone === zone && one.name === wanted("name") && one.content === wanted("content"),
        ),
      );
    }
    if (request.method === "POST") {
      const { name, content } = JSON.parse(text) as { name: string; content: string };
      const made = { id: `r${++this.#serial}`, zone, name, content };
      this.#records.push(made);
      await this.#show(name);
      return say(200, { success: true, result: { ...made, type: "TXT", ttl: 120 } });
    }
    const gone = this.#records.find((one) => one.id === record);
    if (request.method !== "DELETE" || gone === undefined)
      return refuse(404, 81044, "Record does not exist.");
    this.#records = this.#records.filter((one) => one !== gone);
    await this.#show(gone.name);
    say(200, { success: true, result: { id: gone.id } });
  }

  #show(name: string): Promise<void> {
    return this.#publish(
      name,
      this.#records.filter((one) => one.name === name).map(({ content }) => content),
    );
  }
}

/** Cloudflare's ids have 32 hexadecimal digits; certbot does not look at them. */
const idOf = (zone: string): string => `zone-${zone}`;
